/**
 * Other people's carets and selections in Quill, from the document's own presence: the client moves them with every
 * operation, its own and others'. They are drawn on a layer above the text and coloured through the CSSOM, which a strict
 * content security policy allows. Names, colours and places are strangers' input, and are checked here.
 */
import type Quill from 'quill/core.js'
import type Delta from 'quill-delta'
import { inkOn, selectionColour } from './colours.ts'
import { element } from './dom.ts'
import { faceOf, type Face } from './people.ts'
import type { Room } from './room.ts'
import { spanOf, type Span } from './span.ts'

/** How long typing may go on before the others are told that this is where we are, which shows them our name again. */
const TELL_AFTER_MS = 150

/** Whoever is here and nowhere in the text; without a place in it, the client could not move them. */
export const NOWHERE = { index: 0, length: 0, away: true }

/** A person's mark, as it was told and as it is drawn. */
interface Mark {
  span: Span
  face: Face
  caret: HTMLElement
}

export class Marks {
  readonly #layer: HTMLElement
  readonly #marks = new Map<number, Mark>()
  #moves = 0
  #telling: ReturnType<typeof setTimeout> | undefined
  #drawing = 0

  constructor(
    private readonly quill: Quill,
    private readonly room: Room,
  ) {
    this.#layer = quill.addContainer(element('div', { class: 'marks', 'aria-hidden': 'true' }) as never) as HTMLElement
    room.on('change', () => this.#hear())
    quill.on('selection-change', (range) => range !== null && this.#tellSoon())
    quill.on('text-change', (delta, _before, source) => (source === 'user' ? this.#tellSoon() : this.#moved(delta)))
    new ResizeObserver(() => this.#drawSoon()).observe(quill.root)
  }

  #tellSoon(): void {
    this.#telling ??= setTimeout(() => this.#tell(), TELL_AFTER_MS)
  }

  /** Our place, if we have one; it stays where it was while we look elsewhere. */
  #tell(): void {
    this.#telling = undefined
    const range = this.quill.hasFocus() ? this.quill.getSelection() : null
    if (range === null) return
    this.#moves += 1
    this.room.setLocalState({ index: range.index, length: range.length, away: false, moves: this.#moves })
  }

  /** Others have written, which has moved our place as well. */
  #moved(delta: Delta): void {
    const mine = spanOf(this.room.getStates().get(this.room.clientID))
    if (mine !== null) {
      const index = delta.transformPosition(mine.index)
      this.room.note({ index, length: delta.transformPosition(mine.index + mine.length) - index })
    }
    this.#drawSoon()
  }

  #hear(): void {
    const before = new Map(this.#marks)
    this.#marks.clear()
    for (const [client, state] of this.room.getStates()) {
      const span = client === this.room.clientID ? null : spanOf(state)
      if (span === null) continue
      const known = before.get(client)
      const caret = known?.span.moves === span.moves ? known.caret : freshCaret()
      this.#marks.set(client, { span, face: faceOf(state, client), caret })
    }
    this.#drawSoon()
  }

  #drawSoon(): void {
    cancelAnimationFrame(this.#drawing)
    this.#drawing = requestAnimationFrame(() => this.#draw())
  }

  /** Carets that are there already stay: to be put in place again would show their names again. */
  #draw(): void {
    const marks = [...this.#marks.values()]
    const carets = marks.map((mark) => this.#drawCaret(mark))
    const selections = marks.flatMap((mark) => this.#drawSelection(mark))
    for (const drawn of [...this.#layer.children]) if (!carets.includes(drawn as HTMLElement)) drawn.remove()
    this.#layer.prepend(...selections)
    for (const caret of carets) if (caret.parentElement !== this.#layer) this.#layer.append(caret)
  }

  #drawCaret({ span, face, caret }: Mark): HTMLElement {
    const { left, top, height } = this.quill.getBounds(this.#within(span.index + span.length)) ?? { left: 0, top: 0, height: 0 }
    place(caret, { left, top: top + this.quill.container.scrollTop, height })
    caret.style.setProperty('--peer', face.colour)
    caret.style.setProperty('--peer-ink', inkOn(face.colour))
    caret.firstElementChild!.textContent = face.name
    return caret
  }

  #drawSelection({ span, face }: Mark): HTMLElement[] {
    const range = span.length === 0 ? null : this.#range(this.#within(span.index), this.#within(span.index + span.length))
    const origin = this.quill.container.getBoundingClientRect()
    return lettersIn(range).map(({ left, top, width, height }) => {
      const part = element('span', { class: 'peer-selection' })
      place(part, { left: left - origin.left, top: top - origin.top + this.quill.container.scrollTop, width, height })
      part.style.setProperty('background-color', selectionColour(face.colour))
      return part
    })
  }

  #range(from: number, to: number): Range | null {
    const [[first, firstOffset], [last, lastOffset]] = [this.quill.getLeaf(from), this.quill.getLeaf(to)]
    if (first === null || last === null) return null
    const range = document.createRange()
    range.setStart(...first.position(firstOffset, true))
    range.setEnd(...last.position(lastOffset, true))
    return range
  }

  #within(index: number): number {
    return Math.min(index, this.quill.getLength() - 1)
  }
}

/** Made anew at each move of its owner, which shows the name for a while before it fades. */
function freshCaret(): HTMLElement {
  return element('span', { class: 'peer-caret' }, element('span', { class: 'peer-name' }))
}

/** Where the letters of a range stand, line by line; a range's own rectangles count what is bold twice, and whole paragraphs. */
function lettersIn(range: Range | null): DOMRect[] {
  if (range === null) return []
  const texts = document.createTreeWalker(range.commonAncestorContainer, NodeFilter.SHOW_TEXT)
  const rectangles: DOMRect[] = []
  for (let text: Node | null = texts.currentNode; text !== null; text = texts.nextNode()) {
    if (text instanceof Text && range.intersectsNode(text)) rectangles.push(...partOf(text, range).getClientRects())
  }
  return rectangles
}

function partOf(text: Text, range: Range): Range {
  const part = document.createRange()
  part.selectNodeContents(text)
  if (text === range.startContainer) part.setStart(text, range.startOffset)
  if (text === range.endContainer) part.setEnd(text, range.endOffset)
  return part
}

function place(mark: HTMLElement, bounds: Record<string, number>): void {
  for (const [side, pixels] of Object.entries(bounds)) mark.style.setProperty(side, `${pixels}px`)
}
