/**
 * What a writer is told about their words: one calm word. *Saved* is said only while the connection stands and nothing is
 * on its way; it goes the moment something is written, and comes back when nothing has been on its way for a little while,
 * so that it does not flicker at every key.
 */
import { Connection } from './connection.ts'

export type SavingWord = 'connecting' | 'connected' | 'saving' | 'saved' | 'not saved' | 'read only' | 'offline'

/** How things stand just now. */
export interface Standing {
  /** The connection is open, and both sides have compared what they have. */
  inSync: boolean
  /** Something is written here that is not known to be stored. */
  unsaved: boolean
  /** The server does not take something of it. */
  refused: boolean
  mayWrite: boolean
  /** The server stores nothing, and says so; then nothing is called saved. */
  isEphemeral?: boolean
}

export const CALM_AFTER_MS = 500

export class Saving {
  readonly #connection: Connection
  #standing: Standing = { inSync: false, unsaved: false, refused: false, mayWrite: true }
  #calm = false
  #timer: ReturnType<typeof setTimeout> | undefined
  #word: SavingWord = 'connecting'

  constructor(private readonly tell: (word: SavingWord, before: SavingWord) => void) {
    this.#connection = new Connection(() => this.#look())
  }

  get word(): SavingWord {
    return this.#word
  }

  stands(standing: Standing): void {
    this.#standing = standing
    if (standing.inSync && !standing.unsaved) this.#settle()
    else this.#restless()
    this.#connection.heard(standing.inSync ? 'connected' : 'connecting')
    this.#look()
  }

  /** The server has said that coming back is pointless. */
  ended(): void {
    this.#restless()
    this.#connection.ended()
  }

  #settle(): void {
    if (this.#word !== 'saving') this.#calm = true
    else this.#timer ??= setTimeout(() => this.#calmDown(), CALM_AFTER_MS)
  }

  #calmDown(): void {
    this.#calm = true
    this.#look()
  }

  #restless(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#calm = false
  }

  #look(): void {
    const [before, word] = [this.#word, this.#currentWord()]
    this.#word = word
    if (word !== before) this.tell(word, before)
  }

  #currentWord(): SavingWord {
    const { unsaved, refused, mayWrite, isEphemeral } = this.#standing
    if (this.#connection.word !== 'connected') return this.#connection.word
    if (unsaved) return refused || !mayWrite ? 'not saved' : 'saving'
    if (!mayWrite) return 'read only'
    if (isEphemeral) return 'connected'
    return this.#calm ? 'saved' : 'saving'
  }
}
