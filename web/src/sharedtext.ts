/**
 * A text of Automerge in CodeMirror: what is typed becomes changes of the document, and changes of others are typed here. They
 * are told from one's own, so that undo takes back only one's own words.
 */
import { diff, getCursor, getCursorPosition, getHeads, splice, type Heads, type Patch } from '@automerge/automerge/slim'
import type { DocHandle } from '@automerge/automerge-repo/slim'
import { history, historyKeymap } from '@codemirror/commands'
import { Annotation, ChangeSet, EditorState, Transaction, type ChangeSpec, type Extension } from '@codemirror/state'
import { EditorView, keymap, ViewPlugin, type ViewUpdate } from '@codemirror/view'
import { remoteCursors, type Anchors, type Company } from './cursors.ts'

type Texts = Record<string, unknown>

/** Binds the string in this field of the document. */
export function sharedText(handle: DocHandle<Texts>, field: string, company: Company): Extension {
  return [
    history(),
    keymap.of(historyKeymap),
    // Places are counted in the document's own characters, of which a carriage return is one.
    EditorState.lineSeparator.of('\n'),
    EditorView.clipboardInputFilter.of((pasted) => pasted.replaceAll(/\r\n?/g, '\n')),
    ViewPlugin.define((view) => new Binding(view, handle, field)),
    remoteCursors(anchorsIn(handle, field), company),
  ]
}

export function stringIn(handle: DocHandle<Texts>, field: string): string {
  const text = handle.doc()[field]
  return typeof text === 'string' ? text : ''
}

/** Marks what others have written. */
const fromOthers = Annotation.define<true>()

class Binding {
  /** The heads of the document that the editor shows. */
  #shown: Heads
  #isWriting = false

  constructor(
    private readonly view: EditorView,
    private readonly handle: DocHandle<Texts>,
    private readonly field: string,
  ) {
    this.#shown = getHeads(handle.doc())
    handle.on('change', this.#heard)
  }

  update({ transactions }: ViewUpdate): void {
    const typed = transactions.filter((transaction) => transaction.docChanged && !transaction.annotation(fromOthers))
    if (typed.length === 0) return
    this.#isWriting = true
    this.handle.change((doc) => typed.forEach((transaction) => this.#write(doc, transaction)))
    this.#isWriting = false
    this.#shown = getHeads(this.handle.doc())
  }

  destroy(): void {
    this.handle.off('change', this.#heard)
  }

  #write(doc: Texts, { changes, newDoc }: Transaction): void {
    if (typeof doc[this.field] !== 'string') doc[this.field] = newDoc.toString()
    else changes.iterChanges((from, to, at, _end, inserted) => splice(doc, [this.field], at, to - from, inserted.toString()))
  }

  #heard = (): void => {
    if (this.#isWriting) return
    const doc = this.handle.doc()
    const heads = getHeads(doc)
    const changes = this.#changesBy(diff(doc, this.#shown, heads))
    this.#shown = heads
    if (!changes.empty) this.view.dispatch({ changes, annotations: [fromOthers.of(true), Transaction.addToHistory.of(false)] })
  }

  #changesBy(patches: Patch[]): ChangeSet {
    const { length } = this.view.state.doc
    const ours = patches.filter(({ path }) => path[0] === this.field)
    if (ours.some(({ path }) => path.length !== 2)) return ChangeSet.of({ from: 0, to: length, insert: stringIn(this.handle, this.field) }, length, '\n')
    return ours.reduce((all, patch) => all.compose(ChangeSet.of(changeBy(patch), all.newLength, '\n')), ChangeSet.empty(length))
  }
}

/** A change inside of the text; formats are no change of it. */
function changeBy(patch: Patch): ChangeSpec {
  const at = Number(patch.path[1])
  if (patch.action === 'splice') return { from: at, insert: patch.value }
  return patch.action === 'del' ? { from: at, to: at + (patch.length ?? 1) } : []
}

function anchorsIn(handle: DocHandle<Texts>, field: string): Anchors {
  return {
    anchorAt: (index) => {
      const isText = typeof handle.doc()[field] === 'string'
      return isText ? getCursor(handle.doc(), [field], index) : null
    },
    indexOf: (anchor) => {
      try {
        return typeof anchor === 'string' ? getCursorPosition(handle.doc(), [field], anchor) : null
      } catch {
        return null
      }
    },
    areSame: (known, anchor) => known === anchor,
  }
}
