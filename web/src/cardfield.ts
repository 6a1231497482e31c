/**
 * A field of the page and a string in an Automerge document. Each letter typed goes out as the edit that it is, made in the text
 * as it was seen: what others have written meanwhile, while letters are being composed for instance, is merged and not
 * overwritten. The field's caret stays where its person has put it.
 */
import { splice, type Prop } from '@automerge/automerge/slim'
import type { DocHandle, UrlHeads } from '@automerge/automerge-repo/slim'
import { difference, moved, type Edit } from './difference.ts'
import { valueAt } from './plan.ts'

export class CardField {
  #shown: string
  /** The heads of the document that holds what is shown. */
  #heads: UrlHeads
  #isComposing = false

  /** `path`: where the string is just now. */
  constructor(
    readonly input: HTMLInputElement | HTMLTextAreaElement,
    private readonly handle: DocHandle<unknown>,
    private readonly path: () => (string | number)[],
  ) {
    this.#heads = handle.heads()
    this.#shown = this.#text
    input.value = this.#shown
    input.addEventListener('input', () => this.#typed())
    input.addEventListener('compositionstart', () => (this.#isComposing = true))
    input.addEventListener('compositionend', () => {
      this.#isComposing = false
      this.show()
    })
  }

  /** Shows the string as it is now, at these heads; letters that are being composed would be lost by writing into the field. */
  show(heads = this.handle.heads()): void {
    if (this.#isComposing) return
    this.#heads = heads
    const edits = difference(this.#shown, this.#text)
    this.#shown = this.#text
    if (this.input.value === this.#shown) return
    const carets = [this.input.selectionStart ?? 0, this.input.selectionEnd ?? 0]
    const [start, end] = carets.map((caret) => edits.reduce(moved, caret))
    this.input.value = this.#shown
    if (document.activeElement === this.input) this.input.setSelectionRange(start!, end!)
  }

  get #text(): string {
    const text = valueAt(this.handle.doc(), this.path())
    return typeof text === 'string' ? text : ''
  }

  #typed(): void {
    const edits = difference(this.#shown, this.input.value)
    if (edits.length === 0) return
    this.#shown = this.input.value
    this.#heads = this.#change((doc) => write(doc, this.path(), edits, this.#shown))
    this.show()
  }

  /** Changes the document as it was seen, and gives the heads of that. */
  #change(what: (doc: unknown) => void): UrlHeads {
    if (String(this.#heads) !== String(this.handle.heads())) return this.handle.changeAt(this.#heads, what) ?? this.#heads
    this.handle.change(what)
    return this.handle.heads()
  }
}

function write(doc: unknown, path: Prop[], edits: Edit[], text: string): void {
  if (typeof valueAt(doc, path) === 'string') for (const { p, si, sd } of edits) splice(doc as never, [...path], Number(p[0]), sd?.length ?? 0, si ?? '')
  else Object.assign(valueAt(doc, path.slice(0, -1)) as object, { [path.at(-1)!]: text })
}
