/**
 * What a writer is told about the connection: one calm word. The provider's own status flickers between attempts; here a
 * loss is called *connecting* for two seconds and only then *offline*, and it stays offline until it is truly back.
 */

export type Word = 'connecting' | 'connected' | 'offline'

export const OFFLINE_AFTER_MS = 2000

export class Connection {
  #word: Word = 'connecting'
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(private readonly tell: (word: Word, before: Word) => void) {
    this.#startWaiting()
  }

  get word(): Word {
    return this.#word
  }

  /** The provider says `connected`, `connecting` or `disconnected`, many times over while it tries again. */
  heard(status: string): void {
    if (status === 'connected') this.#become('connected')
    else if (this.#word === 'connected') this.#become('connecting')
  }

  /** The server has said that coming back is pointless, so there is nothing to wait for. */
  ended(): void {
    this.#become('offline')
  }

  #become(word: Word): void {
    clearTimeout(this.#timer)
    const before = this.#word
    this.#word = word
    if (word === 'connecting') this.#startWaiting()
    if (word !== before) this.tell(word, before)
  }

  #startWaiting(): void {
    this.#timer = setTimeout(() => this.#become('offline'), OFFLINE_AFTER_MS)
  }
}
