import { expect, test } from 'vitest'
import { boardOf, isBoard, placesFor, withCardAt, type Column } from './cards.ts'

const DATA = {
  title: 'Fair',
  text: 'On the quay.',
  columns: [{ id: 'todo', title: 'To do' }, { id: 'done', title: 'Done' }],
  cards: {
    b: { text: 'posters', column: 'todo', place: 1 },
    a: { text: 'lanterns', column: 'todo', place: 0 },
    c: { text: 'music', column: 'done', place: 0 },
  },
}

const order = (columns: Column[]) => columns.map(({ cards }) => cards.map(({ id }) => id).join('')).join('|')

/** Does what the page does to put a card elsewhere. */
function move(data: typeof DATA, id: string, column: string, at: number): void {
  const target = withCardAt(boardOf(data).columns, id, column, at).find((each) => each.id === column)!
  for (const [card, place] of placesFor(target, at)) Object.assign(data.cards[card as 'a'], place)
}

test('cards stand in their columns, by their places', () => {
  const { title, text, columns } = boardOf(DATA)
  expect([title, text, order(columns)]).toEqual(['Fair', 'On the quay.', 'ab|c'])
})

test('what is not as it should be is shown as missing', () => {
  for (const nothing of [null, 7, 'text', [], { columns: 'none', cards: 3 }]) expect(boardOf(nothing).columns).toEqual([])
  const { columns } = boardOf({ columns: [null, { id: 'todo', title: 4 }, { id: 'todo' }], cards: { a: null, b: { column: 'nowhere', place: 'far' } } })
  expect(columns).toMatchObject([{ id: 'todo', title: '', at: 1, cards: [{ id: 'a', text: '', place: 0 }, { id: 'b', place: 0 }] }])
})

test('a document that holds something else is no board', () => {
  expect(isBoard(DATA)).toBe(true)
  for (const other of [{}, { text: 'hello' }, { text: 1, columns: [], cards: {} }, null]) expect(isBoard(other)).toBe(false)
})

test('a card is put before, between and behind others, and into an empty column', () => {
  const data = structuredClone(DATA)
  const after = (id: string, column: string, at: number) => (move(data, id, column, at), order(boardOf(data).columns))
  expect(after('c', 'todo', 1)).toBe('acb|')
  expect(after('b', 'todo', 0)).toBe('bac|')
  expect(after('b', 'todo', 2)).toBe('acb|')
  expect(after('a', 'done', 0)).toBe('cb|a')
})

test('however often cards are put between the same two, there is room', () => {
  const data = structuredClone(DATA)
  move(data, 'c', 'todo', 1)
  for (let times = 0; times < 300; times += 1) {
    const [, middle, last] = boardOf(data).columns[0]!.cards
    move(data, last!.id, 'todo', 1)
    expect(order(boardOf(data).columns)).toBe(`a${last!.id}${middle!.id}|`)
  }
})

test('cards in the same place stand the same for all', () => {
  const data = structuredClone(DATA)
  data.cards.a.place = data.cards.b.place
  expect(order(boardOf(data).columns)).toBe('ab|c')
  expect(order(boardOf({ ...data, cards: Object.fromEntries(Object.entries(data.cards).reverse()) }).columns)).toBe('ab|c')
})
