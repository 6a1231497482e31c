/**
 * The columns of the board: cards that are added, taken out, written on and put elsewhere, by many at once. A card stays the same
 * element wherever it goes, so that whoever writes on it goes on doing so. A card that is dragged is elsewhere for its own
 * person only, until it is dropped.
 */
import type { DocHandle, UrlHeads } from '@automerge/automerge-repo/slim'
import { CardField } from './cardfield.ts'
import { boardOf, placesFor, withCardAt, type Card, type Column, type Place } from './cards.ts'
import { element } from './dom.ts'
import { randomId } from './identity.ts'

type Cards = Record<string, Record<string, unknown>>

interface Row {
  item: HTMLLIElement
  words: HTMLTextAreaElement
  field: CardField
  card: Card
}

interface Stack {
  section: HTMLElement
  list: HTMLUListElement
  tally: HTMLElement
  title: CardField
  column: Column
}

/** A card on its way, and where it would stand. */
interface Carried {
  id: string
  column: string
  at: number
}

export class Columns {
  readonly #rows = new Map<string, Row>()
  readonly #stacks = new Map<string, Stack>()
  #carried: Carried | null = null

  constructor(
    private readonly host: HTMLElement,
    private readonly handle: DocHandle<unknown>,
  ) {}

  show(): void {
    const columns = this.#columns()
    const heads = this.handle.heads()
    const [stacks, rows] = [new Set(this.#stacks.keys()), new Set(this.#rows.keys())]
    columns.forEach((column, at) => {
      stacks.delete(column.id)
      this.#showColumn(column, at, heads)
      column.cards.forEach((card, at) => {
        rows.delete(card.id)
        this.#showCard(card, this.#stacks.get(column.id)!.list, at, heads)
      })
    })
    for (const id of stacks) {
      this.#stacks.get(id)!.section.remove()
      this.#stacks.delete(id)
    }
    for (const id of rows) {
      this.#rows.get(id)!.item.remove()
      this.#rows.delete(id)
    }
  }

  /** As they are in the document, but for the card that is carried just now. */
  #columns(): Column[] {
    const { columns } = boardOf(this.handle.doc())
    return this.#carried === null ? columns : withCardAt(columns, this.#carried.id, this.#carried.column, this.#carried.at)
  }

  #showColumn(column: Column, at: number, heads: UrlHeads): void {
    const stack = this.#stacks.get(column.id) ?? this.#newStack(column)
    stack.column = column
    stack.title.show(heads)
    stack.tally.textContent = String(column.cards.length)
    stand(stack.section, this.host, at)
  }

  #showCard(card: Card, list: HTMLElement, at: number, heads: UrlHeads): void {
    const row = this.#rows.get(card.id) ?? this.#newRow(card)
    row.card = card
    row.field.show(heads)
    row.item.classList.toggle('dragged', this.#carried?.id === card.id)
    stand(row.item, list, at)
  }

  #newStack(column: Column): Stack {
    const title = element('input', { class: 'column-title', 'aria-label': 'Title of the column', autocomplete: 'off', spellcheck: 'true' })
    const tally = element('span', { class: 'tally', 'aria-hidden': 'true' })
    const list = element('ul', { class: 'cards' })
    const add = element('button', { type: 'button', class: 'quiet add-card' }, 'Add a card')
    const section = element('section', { class: 'column' }, element('header', { 'data-field': `columns/${column.id}` }, title, tally), list, add)
    const path = () => ['columns', this.#stacks.get(column.id)?.column.at ?? column.at, 'title']
    const stack: Stack = { section, list, tally, column, title: new CardField(title, this.handle, path) }
    this.#stacks.set(column.id, stack)
    add.addEventListener('click', () => this.#add(column.id, stack.column.cards.length))
    return stack
  }

  #newRow(card: Card): Row {
    const { id } = card
    const grip = element('button', { type: 'button', class: 'grip', 'aria-label': 'Move this card', title: 'Drag, or press the arrow keys' }, '⠿')
    const words = element('textarea', { rows: '1', 'aria-label': 'Card', placeholder: 'What is it about?', autocomplete: 'off', spellcheck: 'true' })
    const remove = element('button', { type: 'button', class: 'remove', 'aria-label': 'Remove this card' }, '×')
    const item = element('li', { 'data-field': `cards/${id}` }, grip, words, remove)
    const row: Row = { item, words, card, field: new CardField(words, this.handle, () => ['cards', id, 'text']) }
    this.#rows.set(id, row)
    remove.addEventListener('click', () => this.#remove(row))
    words.addEventListener('keydown', (event) => this.#pressed(event, row))
    grip.addEventListener('keydown', (event) => this.#steer(event, row))
    grip.addEventListener('pointerdown', (event) => this.#drag(event, row))
    return row
  }

  /** Enter begins another card below, and Backspace in an empty one takes it out. */
  #pressed(event: KeyboardEvent, row: Row): void {
    if (event.isComposing) return
    if (event.key === 'Enter') this.#add(row.card.column, this.#placeOf(row).at + 1)
    else if (event.key === 'Backspace' && row.words.value === '') this.#remove(row)
    else return
    event.preventDefault()
  }

  #steer(event: KeyboardEvent, row: Row): void {
    const [aside, down] = ({ ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] })[event.key] ?? [0, 0]
    if (aside === 0 && down === 0) return
    event.preventDefault()
    const columns = this.#columns()
    const { column, at } = this.#placeOf(row)
    const target = columns[columns.findIndex(({ id }) => id === column) + aside!]
    const to = at + down!
    if (target === undefined || to < 0 || (aside === 0 && to >= target.cards.length)) return
    this.#put(row.card.id, target.id, Math.min(to, target.cards.length))
  }

  #drag(event: PointerEvent, row: Row): void {
    event.preventDefault()
    const control = new AbortController()
    const carry = (carried: Carried | null) => ((this.#carried = carried), this.show())
    const drop = (isGood: boolean) => {
      control.abort()
      const carried = this.#carried
      this.#carried = null
      if (isGood && carried !== null) this.#put(carried.id, carried.column, carried.at)
      this.show()
    }
    document.addEventListener('pointermove', ({ clientX, clientY }) => carry({ id: row.card.id, ...this.#under(clientX, clientY, row) }), control)
    document.addEventListener('pointerup', () => drop(true), control)
    document.addEventListener('pointercancel', () => drop(false), control)
  }

  /** Where a card would stand that is let go here: in the nearest column, above the first card whose middle is below. */
  #under(x: number, y: number, row: Row): { column: string; at: number } {
    const away = ({ section }: Stack) => {
      const { left, right, top, bottom } = section.getBoundingClientRect()
      return Math.max(left - x, x - right, 0) + Math.max(top - y, y - bottom, 0)
    }
    const { list, column } = [...this.#stacks.values()].reduce((nearest, stack) => (away(stack) < away(nearest) ? stack : nearest))
    const others = [...list.children].filter((item) => item !== row.item)
    const at = others.findIndex((item) => y < item.getBoundingClientRect().top + item.clientHeight / 2)
    return { column: column.id, at: at < 0 ? others.length : at }
  }

  #placeOf({ card }: Row): { column: string; at: number } {
    const { id, cards } = this.#columns().find(({ cards }) => cards.some(({ id }) => id === card.id))!
    return { column: id, at: cards.findIndex(({ id }) => id === card.id) }
  }

  #put(id: string, column: string, at: number): void {
    const columns = boardOf(this.handle.doc()).columns
    const target = withCardAt(columns, id, column, at).find((each) => each.id === column)
    if (target?.cards[at]?.id !== id || columns.find((each) => each.id === column)?.cards[at]?.id === id) return
    this.#change((cards) => write(cards, placesFor(target, at)))
  }

  #add(column: string, at: number): void {
    const id = randomId()
    const { columns } = boardOf(this.handle.doc())
    const cards = [...columns.find((each) => each.id === column)!.cards]
    cards.splice(at, 0, { id, text: '', column, place: 0 })
    this.#change((all) => {
      all[id] = { text: '' }
      write(all, placesFor({ ...columns.find((each) => each.id === column)!, cards }, at))
    })
    this.#rows.get(id)?.words.focus()
  }

  #remove(row: Row): void {
    const neighbour = row.item.previousElementSibling ?? row.item.nextElementSibling
    this.#change((cards) => void delete cards[row.card.id])
    neighbour?.querySelector('textarea')?.focus()
  }

  /** Who is told of the change shows the board anew. */
  #change(what: (cards: Cards) => void): void {
    this.handle.change((doc) => what((doc as { cards: Cards }).cards))
  }
}

/** Only what stands elsewhere is moved: moving an element takes the focus from it. */
function stand(item: HTMLElement, within: HTMLElement, at: number): void {
  if (within.children[at] === item) return
  const focused = item.contains(document.activeElement) ? (document.activeElement as HTMLElement) : null
  within.insertBefore(item, within.children[at] ?? null)
  focused?.focus()
}

function write(cards: Cards, places: Map<string, Place>): void {
  for (const [id, place] of places) if (cards[id] !== undefined) Object.assign(cards[id], place)
}
