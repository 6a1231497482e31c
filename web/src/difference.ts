/** What somebody has done to a text, as it is to be told to others; and where a caret is after that. */

/** Text put in, or taken out, at a place within a string; the place is the last part of the path. */
export interface Edit {
  p: (string | number)[]
  si?: string
  sd?: string
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

/** A caret stays between the letters where it was. */
export function moved(caret: number, { p: [place], si, sd }: Edit): number {
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
