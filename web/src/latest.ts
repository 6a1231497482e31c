/**
 * Asks for many things in quick succession, of which only the newest matters: a slider that is dragged, for instance.
 * One request is on its way at a time, and behind it waits the newest one only. A request is let finish while it is young,
 * so that dragging shows what it passes; once it is older than the patience and something newer waits, it is aborted.
 */

export type Ask<T> = (signal: AbortSignal) => Promise<T>

export interface Answers<T> {
  value(value: T): void
  error(error: unknown): void
}

const PATIENCE_MS = 150

export class Latest<T> {
  #waiting: Ask<T> | null = null
  #underWay: AbortController | null = null

  constructor(
    private readonly answers: Answers<T>,
    private readonly patienceMs = PATIENCE_MS,
  ) {}

  ask(ask: Ask<T>): void {
    this.#waiting = ask
    if (this.#underWay === null) void this.#next()
    else this.#loseAfterPatience(this.#underWay)
  }

  /** Forgets what waits and aborts what is under way; nothing more is answered for them. */
  cancel(): void {
    this.#waiting = null
    this.#underWay?.abort()
  }

  async #next(): Promise<void> {
    for (let ask = this.#take(); ask !== null; ask = this.#take()) {
      const control = (this.#underWay = new AbortController())
      await ask(control.signal).then(
        (value) => control.signal.aborted || this.answers.value(value),
        (error) => control.signal.aborted || this.answers.error(error),
      )
      this.#underWay = null
    }
  }

  #take(): Ask<T> | null {
    const ask = this.#waiting
    this.#waiting = null
    return ask
  }

  #loseAfterPatience(control: AbortController): void {
    setTimeout(() => {
      if (this.#underWay === control && this.#waiting !== null) control.abort()
    }, this.patienceMs)
  }
}
