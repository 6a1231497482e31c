/** A board on the page: its text in CodeMirror, its cards in columns, and who is where in both. */
import type { DocHandle } from '@automerge/automerge-repo/slim'
import { EditorView } from '@codemirror/view'
import { Columns } from './columns.ts'
import { byId } from './dom.ts'
import { allowWriting, mountEditor } from './editor.ts'
import type { Gathering } from './gathering.ts'
import { showWhoIsWhere, tellWhereIAm } from './occupying.ts'
import { sharedText, stringIn } from './sharedtext.ts'

const TEXT = 'text'

export class BoardSheet {
  readonly #form = byId<HTMLFormElement>('form')
  readonly #controls = byId<HTMLFieldSetElement>('controls')
  #editor: EditorView | null = null

  /** Once, when the document is there. */
  attach(handle: DocHandle<unknown>, gathering: Gathering): void {
    byId('board').hidden = false
    const texts = handle as DocHandle<Record<string, unknown>>
    this.#editor = mountEditor(byId('editor'), stringIn(texts, TEXT), [sharedText(texts, TEXT, gathering), notes])
    const columns = new Columns(byId('columns'), handle)
    const show = () => {
      columns.show()
      showWhoIsWhere(this.#form, gathering)
    }
    handle.on('change', show)
    gathering.on('change', () => showWhoIsWhere(this.#form, gathering))
    this.#form.addEventListener('submit', (event) => event.preventDefault())
    tellWhereIAm(this.#form, gathering)
    show()
  }

  allowWriting(may: boolean): void {
    this.#controls.disabled = !may
    if (this.#editor !== null) allowWriting(this.#editor, may)
  }
}

/** The text is one part of the sheet, and as long as what is written in it. */
const notes = EditorView.theme({
  '.cm-content': { minHeight: '9rem', padding: '1.15rem 1rem 0.8rem' },
  '.cm-scroller': { overflow: 'visible' },
})
