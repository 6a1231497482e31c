/** Where somebody is in a rich text, as their presence says; anybody may say anything. */

export interface Span {
  index: number
  length: number
  /** Grows whenever they move, and not when they are moved by what others write. */
  moves: number
}

/** None where the presence names no place, or says that it is not in the text. */
export function spanOf(value: unknown): Span | null {
  if (typeof value !== 'object' || value === null) return null
  const { index, length, away, moves } = value as Record<string, unknown>
  if (away === true || !isCount(index) || !isCount(length)) return null
  return { index, length, moves: isCount(moves) ? moves : 0 }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
