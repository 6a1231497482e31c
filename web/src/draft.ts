/**
 * A text that somebody has before them while others change it too. What is typed becomes the smallest json0 edit that says
 * it; what others do is taken in when it can be shown, which is not while letters are being composed. Until then the two
 * are transformed against each other, as any two concurrent operations.
 */
import { types } from 'sharedb/lib/client'
import { difference, moved, type Edit } from './difference.ts'

export class Draft {
  #text: string
  #missed: Edit[] = []

  constructor(text = '') {
    this.#text = text
  }

  /** What is before them. */
  get text(): string {
    return this.#text
  }

  /** What they have done to the text, given what it is now; in the places of the document, which may be ahead. */
  typed(text: string): Edit[] {
    const edit = difference(this.#text, text)
    this.#text = text
    const { transform } = types.map['json0']!
    const [ahead, missed] = [transform(edit, this.#missed, 'left'), transform(this.#missed, edit, 'right')]
    this.#missed = missed
    return ahead
  }

  /** What others have done, to be shown when it can be. */
  heard(edit: Edit): void {
    this.#missed.push(edit)
  }

  /** Takes in what was heard; carets stay between the letters where they were. */
  catchUp(carets: number[]): number[] {
    for (const edit of this.#missed) {
      this.#text = applied(this.#text, edit)
      carets = carets.map((caret) => moved(caret, edit))
    }
    this.#missed = []
    return carets
  }
}

function applied(text: string, { p: [at], si, sd }: Edit): string {
  return text.slice(0, Number(at)) + (si ?? '') + text.slice(Number(at) + (sd?.length ?? 0))
}
