/**
 * A field of the page and a string in a json0 document. Each letter typed goes out as the edit that it is, so that two people
 * can write in one field at once; the field's caret stays where its person has put it.
 */
import type { Doc } from 'sharedb/lib/client'
import type { Edit } from './difference.ts'
import { Draft } from './draft.ts'
import { put, valueAt, type Path } from './plan.ts'

export class TextField {
  #draft = new Draft()
  #isComposing = false

  /** `path`: where the string is just now; none when it is there no longer. */
  constructor(
    readonly input: HTMLInputElement | HTMLTextAreaElement,
    private readonly doc: Doc,
    private readonly path: () => Path | null,
  ) {
    input.addEventListener('input', () => this.#typed())
    input.addEventListener('compositionstart', () => (this.#isComposing = true))
    input.addEventListener('compositionend', () => {
      this.#isComposing = false
      this.#show()
    })
  }

  /** Somebody else has changed this string. */
  heard(edit: Edit): void {
    this.#draft.heard(edit)
    this.#show()
  }

  /** The string as it is now, however it came to be so. */
  reset(text: string): void {
    if (this.#isComposing || (this.#draft.text === text && this.input.value === text)) return
    this.#draft = new Draft(text)
    this.#write([])
  }

  #typed(): void {
    const path = this.path()
    if (path === null) return
    const edits = this.#draft.typed(this.input.value)
    if (edits.length === 0) return
    const { data } = this.doc
    const isText = typeof valueAt(data, path) === 'string'
    const operation = isText ? edits.map((edit) => ({ ...edit, p: [...path, ...edit.p] })) : put(data, path, this.#draft.text)
    this.doc.submitOp(operation, { source: this })
  }

  /** Letters that are being composed would be lost by writing into the field. */
  #show(): void {
    if (this.#isComposing) return
    const { selectionStart, selectionEnd } = this.input
    this.#write(this.#draft.catchUp([selectionStart ?? 0, selectionEnd ?? 0]))
  }

  #write(carets: number[]): void {
    if (this.input.value !== this.#draft.text) this.input.value = this.#draft.text
    const [start, end] = carets
    if (start !== undefined && end !== undefined && document.activeElement === this.input) this.input.setSelectionRange(start, end)
  }
}
