/**
 * ShareDB's client on a socket that comes back. The client takes whatever socket it is given and opens none by itself, so
 * opening another one is up to the page: soon after the first loss, later and later while nobody answers, at once when
 * the browser says that it is online again, and never once the server has said that coming back is pointless.
 */
import { Connection, type State } from 'sharedb/lib/client'
import { WORKSPACE } from './api.ts'
import { isForGood } from './ending.ts'
import type { Chance } from './names.ts'
import { socketOptions } from './token.ts'

export const FIRST_DELAY_MS = 250
export const LAST_DELAY_MS = 8_000
/** How often a silent connection is asked whether it lives; one that says nothing until the next time is given up. */
const PULSE_MS = 15_000

export class Wire {
  readonly connection: Connection
  #tries = 0
  #timer: ReturnType<typeof setTimeout> | undefined
  /** Whether to come back after a loss. */
  #isWanted = true
  #isSilent = false

  /** `ended`: the server has closed for good, and says why. */
  constructor(private readonly ended: (code: number, reason: string) => void) {
    this.connection = new Connection(openSocket())
    this.connection.on('state', (state: State, reason: unknown) => this.#stateIs(state, reason))
    this.connection.on('receive', () => (this.#isSilent = false))
    addEventListener('online', () => this.#isWanted && this.#comeBack())
    setInterval(() => this.#feelPulse(), PULSE_MS)
  }

  /** Comes back after an end, or after the page had left. */
  open(): void {
    this.#isWanted = true
    this.#tries = 0
    this.#comeBack()
  }

  leave(): void {
    this.#isWanted = false
    clearTimeout(this.#timer)
    this.connection.close()
  }

  #stateIs(state: State, reason: unknown): void {
    if (state === 'connected') this.#tries = 0
    if (state !== 'disconnected') return
    if (reason instanceof CloseEvent && isForGood(reason.code) && this.#isWanted) {
      this.#isWanted = false
      this.ended(reason.code, reason.reason)
    }
    if (this.#isWanted) this.#comeBackLater()
  }

  #comeBackLater(): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#comeBack(), delayBefore(this.#tries))
    this.#tries += 1
  }

  #comeBack(): void {
    clearTimeout(this.#timer)
    if (this.connection.state === 'disconnected') this.connection.bindToSocket(openSocket())
  }

  /** A network that goes away without a word is noticed only by asking. */
  #feelPulse(): void {
    if (this.connection.state !== 'connected') return
    if (this.#isSilent) return this.connection.socket.close()
    this.#isSilent = true
    this.connection.ping()
  }
}

/** How long to wait before a try: twice as long as before the last, up to a bound, and not all clients at the same moment. */
export function delayBefore(tries: number, chance: Chance = Math.random): number {
  return Math.min(FIRST_DELAY_MS * 2 ** tries, LAST_DELAY_MS) * (0.5 + chance() / 2)
}

function openSocket(): WebSocket {
  const { protocols, params } = socketOptions()
  const query = new URLSearchParams(params).toString()
  const origin = location.origin.replace(/^http/, 'ws')
  return new WebSocket(`${origin}/sharedb/${WORKSPACE}${query === '' ? '' : `?${query}`}`, protocols)
}
