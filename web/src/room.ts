/**
 * Who is in a document, over a presence of ShareDB's client: the document's own, or that of a channel. States have the same
 * fields as those of the Yjs editors, so the same faces are drawn of them. The client keeps what it last heard of everybody;
 * here all but ourselves are forgotten when the connection is lost, and we say again who we are when it is back.
 */
import type { Connection, LocalPresence, Presence } from 'sharedb/lib/client'
import type { Presences, PresenceState } from './desk.ts'
import { randomId } from './identity.ts'

/** Our own number; others get theirs in the order in which they are first heard of. */
const ME = 0

export class Room implements Presences {
  readonly clientID = ME
  readonly #states = new Map<number, PresenceState>()
  readonly #numbers = new Map<string, number>()
  readonly #listeners = new Set<() => void>()
  readonly #mine: LocalPresence

  /** `mine`: what I say of myself to begin with. */
  constructor(
    connection: Connection,
    private readonly presence: Presence,
    mine: PresenceState = {},
  ) {
    this.#states.set(ME, mine)
    this.#mine = presence.create(randomId())
    presence.on('receive', (id: string, state: unknown) => this.#heard(id, state))
    for (const speaker of [presence, this.#mine]) speaker.on('error', ignore)
    connection.on('disconnected', () => this.#forgetOthers())
    connection.on('connected', () => this.#tell())
  }

  getStates(): ReadonlyMap<number, PresenceState> {
    return this.#states
  }

  on(_event: 'change', listener: () => void): void {
    this.#listeners.add(listener)
  }

  setLocalStateField(field: string, value: unknown): void {
    this.setLocalState({ [field]: value })
  }

  /** Says something more, or something else, of me. */
  setLocalState(fields: PresenceState): void {
    const before = this.#states.get(ME)!
    const state = { ...before, ...fields }
    if (JSON.stringify(state) === JSON.stringify(before)) return
    this.#states.set(ME, state)
    this.#tell()
    this.#changed()
  }

  /** Notes what the others know of me without being told. */
  note(fields: PresenceState): void {
    this.#states.set(ME, { ...this.#states.get(ME), ...fields })
  }

  /**
   * Asks who is here, and says it of me. What a document's own presence says is forgotten by the client whenever the document
   * is loaded, so it is asked for after that and not before.
   */
  enter(): void {
    this.presence.unsubscribe(ignore)
    this.presence.subscribe(ignore)
    this.#tell()
  }

  #tell(): void {
    this.#mine.submit(this.#states.get(ME), ignore)
  }

  #heard(id: string, state: unknown): void {
    const number = this.#numbers.get(id) ?? this.#numbers.size + 1
    this.#numbers.set(id, number)
    if (typeof state === 'object' && state !== null) this.#states.set(number, state as PresenceState)
    else this.#states.delete(number)
    this.#changed()
  }

  #forgetOthers(): void {
    for (const number of this.#states.keys()) if (number !== ME) this.#states.delete(number)
    this.#changed()
  }

  #changed(): void {
    for (const listener of this.#listeners) listener()
  }
}

/** Presence that is refused leaves the page without faces, which it shows by itself. */
function ignore(): void {}
