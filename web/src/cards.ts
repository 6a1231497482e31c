/**
 * The document of the board page: a text, and cards in columns. A card is there under an id of its own, and says in which
 * column it stands and between which others, by a number. So who moves a card and who writes on it do not get in each other's
 * way, and a card that two people move at once stands in one place for all. Any client may write anything, so whatever is
 * not as it should be is shown as missing.
 */

/** Where a card stands: in this column, after all cards with a lesser number. */
export interface Place {
  column: string
  place: number
}

export interface Card extends Place {
  id: string
  text: string
}

export interface Column {
  id: string
  title: string
  /** Which one it is in the document. */
  at: number
  cards: Card[]
}

export interface Board {
  title: string
  text: string
  columns: Column[]
}

/** What this page shows of documents of Automerge; others hold something else. */
export function isBoard(data: unknown): boolean {
  const { text, columns, cards } = record(data)
  return typeof text === 'string' && Array.isArray(columns) && typeof cards === 'object' && cards !== null
}

export function boardOf(data: unknown): Board {
  const { title, text, columns, cards } = record(data)
  const shown = Array.isArray(columns) ? columnsOf(columns) : []
  for (const [id, card] of Object.entries(record(cards)).sort(byPlace)) {
    const { column, text: words, place } = record(card)
    const home = shown.find(({ id }) => id === column) ?? shown[0]
    home?.cards.push({ id, text: string(words), column: home.id, place: number(place) })
  }
  return { title: string(title), text: string(text), columns: shown }
}

/** The columns as they would be with this card in another place. */
export function withCardAt(columns: Column[], id: string, column: string, at: number): Column[] {
  const card = columns.flatMap(({ cards }) => cards).find((card) => card.id === id)
  return columns.map((each) => {
    const cards = each.cards.filter((card) => card.id !== id)
    if (card !== undefined && each.id === column) cards.splice(at, 0, { ...card, column })
    return { ...each, cards }
  })
}

/** What is to be written so that a card stands there: its own place, and those of all in the column where numbers have become too close. */
export function placesFor({ id: column, cards }: Column, at: number): Map<string, Place> {
  const place = between(cards[at - 1]?.place, cards[at + 1]?.place)
  const card = cards[at]!
  if (place !== null) return new Map([[card.id, { column, place }]])
  return new Map(cards.map(({ id }, place) => [id, { column, place }]))
}

/** A number after the one and before the other; null when there is none. */
function between(before: number | undefined, after: number | undefined): number | null {
  if (before === undefined) return after === undefined ? 0 : after - 1
  if (after === undefined) return before + 1
  const middle = (before + after) / 2
  return middle > before && middle < after ? middle : null
}

/** Each by an id of its own. */
function columnsOf(columns: unknown[]): Column[] {
  const seen = new Set<string>()
  return columns.flatMap((column, at) => {
    const { id, title } = record(column)
    if (typeof id !== 'string' || seen.has(id)) return []
    seen.add(id)
    return [{ id, title: string(title), at, cards: [] }]
  })
}

/** Cards that two people have put in one place at once stand by their ids, for all alike. */
function byPlace([id, card]: [string, unknown], [otherId, other]: [string, unknown]): number {
  return number(record(card)['place']) - number(record(other)['place']) || (id < otherId ? -1 : 1)
}

function string(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function number(value: unknown): number {
  return Number.isFinite(value) ? (value as number) : 0
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}
