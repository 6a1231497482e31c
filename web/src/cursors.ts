/**
 * Other people's carets and selections, drawn from the same presence fields that y-codemirror.next writes and reads
 * (`user` and `cursor`), so its users and ours see each other. Drawn here for two reasons: its caret is built with a `style`
 * attribute, which a strict content security policy refuses, and it puts colours from strangers into style text unchecked.
 * How a place is tied to a text is for the text to say.
 */
import { Annotation, RangeSet, type Extension, type Range } from '@codemirror/state'
import { Decoration, EditorView, ViewPlugin, WidgetType, type DecorationSet, type ViewUpdate } from '@codemirror/view'
import { inkOn, selectionColour } from './colours.ts'
import type { Presences } from './desk.ts'
import { faceOf, type Face } from './people.ts'

/** Whose presence has changed, by their numbers. */
export interface Changed {
  added: number[]
  updated: number[]
  removed: number[]
}

/** The people in a text, and whose carets have moved. */
export interface Company extends Presences {
  on(event: 'change', listener: (changed: Changed) => void): unknown
  off(event: 'change', listener: (changed: Changed) => void): unknown
}

/** Ties places to the letters of a text, so that they stay between them whatever is written elsewhere. */
export interface Anchors {
  anchorAt(index: number): unknown
  /** Where a stranger's anchor stands in our text; null when it is none, or not of this text. */
  indexOf(anchor: unknown): number | null
  areSame(known: unknown, anchor: unknown): boolean
}

/** Marks the transaction that only redraws carets. */
const redraw = Annotation.define<null>()

/** Put this after what binds the shared text, so that the text is up to date when carets are placed. */
export function remoteCursors(anchors: Anchors, company: Company): Extension {
  return [
    ViewPlugin.define((view) => new RemoteCursors(view, anchors, company), { decorations: (plugin) => plugin.decorations }),
    caretTheme,
  ]
}

class RemoteCursors {
  decorations: DecorationSet = RangeSet.empty
  #moves = new Map<number, number>()

  constructor(
    private readonly view: EditorView,
    private readonly anchors: Anchors,
    private readonly company: Company,
  ) {
    company.on('change', this.#presenceChanged)
  }

  update(update: ViewUpdate): void {
    this.#publish(update)
    this.decorations = Decoration.set(this.#ranges(update.state.doc.length), true)
  }

  destroy(): void {
    this.company.off('change', this.#presenceChanged)
  }

  #presenceChanged = (changed: Changed): void => {
    const others = [...changed.added, ...changed.updated, ...changed.removed].filter((id) => id !== this.company.clientID)
    for (const client of others) this.#moves.set(client, (this.#moves.get(client) ?? 0) + 1)
    for (const client of changed.removed) this.#moves.delete(client)
    if (others.length > 0) this.view.dispatch({ annotations: redraw.of(null) })
  }

  /** Tells the others where our selection is, when it has moved. It stays where it was while we look elsewhere. */
  #publish({ state, view }: ViewUpdate): void {
    if (!view.hasFocus) return
    const { anchor, head } = state.selection.main
    const cursor = { anchor: this.anchors.anchorAt(anchor), head: this.anchors.anchorAt(head) }
    if (!this.#isKnown(cursor)) this.company.setLocalStateField('cursor', cursor)
  }

  #ranges(length: number): Range<Decoration>[] {
    return [...this.company.getStates()].flatMap(([client, state]) => {
      if (client === this.company.clientID) return []
      const cursor = state['cursor'] as Cursor
      const anchor = this.#place(cursor?.anchor, length)
      const head = this.#place(cursor?.head, length)
      return anchor === null || head === null ? [] : this.#draw(client, faceOf(state, client), anchor, head)
    })
  }

  #draw(client: number, face: Face, anchor: number, head: number): Range<Decoration>[] {
    const widget = new Caret(face, this.#moves.get(client) ?? 0)
    // The caret stands outside its own selection, on the side to which it was drawn.
    const caret = Decoration.widget({ widget, side: head > anchor ? -1 : 1 }).range(head)
    if (anchor === head) return [caret]
    const style = `background-color: ${selectionColour(face.colour)}`
    return [Decoration.mark({ attributes: { style } }).range(Math.min(anchor, head), Math.max(anchor, head)), caret]
  }

  #place(anchor: unknown, length: number): number | null {
    const index = this.anchors.indexOf(anchor)
    return index === null ? null : Math.min(index, length)
  }

  #isKnown(cursor: { anchor: unknown; head: unknown }): boolean {
    const known = this.company.getStates().get(this.company.clientID)?.['cursor'] as Cursor
    return known != null && this.anchors.areSame(known.anchor, cursor.anchor) && this.anchors.areSame(known.head, cursor.head)
  }
}

/** The presence field of that name, whoever wrote it. */
type Cursor = { anchor?: unknown; head?: unknown } | null | undefined

/** A thin line with a name above it; each move makes it anew, which shows the name for a while before it fades. */
class Caret extends WidgetType {
  constructor(
    private readonly face: Face,
    private readonly moves: number,
  ) {
    super()
  }

  override eq(other: Caret): boolean {
    return this.moves === other.moves && this.face.colour === other.face.colour && this.face.name === other.face.name
  }

  override toDOM(): HTMLElement {
    const caret = document.createElement('span')
    caret.className = 'cm-peer-caret'
    caret.style.setProperty('--peer', this.face.colour)
    caret.style.setProperty('--peer-ink', inkOn(this.face.colour))
    const name = caret.appendChild(document.createElement('span'))
    name.className = 'cm-peer-name'
    name.textContent = this.face.name
    return caret
  }

  override ignoreEvent(): boolean {
    return true
  }
}

const caretTheme = EditorView.baseTheme({
  '.cm-peer-caret': {
    position: 'relative',
    borderLeft: '2px solid var(--peer)',
    marginLeft: '-1px',
    marginRight: '-1px',
  },
  '.cm-peer-name': {
    position: 'absolute',
    bottom: '100%',
    left: '-2px',
    padding: '0.1em 0.45em',
    borderRadius: '0.35em 0.35em 0.35em 0',
    font: '600 0.72rem/1.35 var(--sans)',
    color: 'var(--peer-ink)',
    backgroundColor: 'var(--peer)',
    whiteSpace: 'nowrap',
    userSelect: 'none',
    pointerEvents: 'none',
    zIndex: '3',
    animation: 'cm-peer-name-fade 4s ease-in forwards',
  },
  '.cm-peer-caret:hover > .cm-peer-name': { animation: 'none' },
  '@keyframes cm-peer-name-fade': { '0%, 75%': { opacity: '1' }, '100%': { opacity: '0' } },
})
