/**
 * A text that somebody has before them while others change it too. What is typed becomes the smallest json0 edit that says
 * it; what others do is taken in when it can be shown, which is not while letters are being composed. Until then the two
 * are transformed against each other, as any two concurrent operations.
 */
import { types } from 'sharedb/lib/client'

/** Text put in, or taken out, at a place within a string; the place is the last part of the path. */
export interface Edit {
  p: (string | number)[]
  si?: string
  sd?: string
}

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

/** From one text to another by one removal and one insertion at most; no character is cut in two. */
export function difference(before: string, after: string): Edit[] {
  let start = 0
  while (start < before.length && before[start] === after[start]) start += 1
  if (isHigh(before, start - 1)) start -= 1
  let end = 0
  const most = Math.min(before.length, after.length) - start
  while (end < most && before.at(-1 - end) === after.at(-1 - end)) end += 1
  if (end > 0 && isLow(before, before.length - end)) end -= 1
  const [removed, inserted] = [before.slice(start, before.length - end), after.slice(start, after.length - end)]
  return [...(removed === '' ? [] : [{ p: [start], sd: removed }]), ...(inserted === '' ? [] : [{ p: [start], si: inserted }])]
}

function applied(text: string, { p: [at], si, sd }: Edit): string {
  return text.slice(0, Number(at)) + (si ?? '') + text.slice(Number(at) + (sd?.length ?? 0))
}

function moved(caret: number, { p: [place], si, sd }: Edit): number {
  const at = Number(place)
  if (at >= caret) return caret
  return si === undefined ? Math.max(at, caret - (sd?.length ?? 0)) : caret + si.length
}

function isHigh(text: string, at: number): boolean {
  return /[\ud800-\udbff]/.test(text[at] ?? '')
}

function isLow(text: string, at: number): boolean {
  return /[\udc00-\udfff]/.test(text[at] ?? '')
}
