/**
 * Quill on a page with a strict content security policy: only the formats that our buttons know, no theme, and one place
 * where markup is read, which is what somebody pastes, into a document that is never shown.
 */
import Quill from 'quill/core.js'
import Embed from 'quill/blots/embed.js'
import Blockquote from 'quill/formats/blockquote.js'
import Bold from 'quill/formats/bold.js'
import { Code } from 'quill/formats/code.js'
import Header from 'quill/formats/header.js'
import Italic from 'quill/formats/italic.js'
import Link from 'quill/formats/link.js'
import ListItem from 'quill/formats/list.js'
import Clipboard from 'quill/modules/clipboard.js'
import { FORMATS, THING } from './delta.ts'

interface Markup {
  createPolicy(name: string, rules: { createHTML(markup: string): string }): { createHTML(markup: string): string }
}

/** Where browsers have no such policies, markup is taken as it is. */
const makers = (globalThis as { trustedTypes?: Markup }).trustedTypes
const pasted = makers?.createPolicy('QuillClipboard', { createHTML: (markup) => markup })

class QuietClipboard extends Clipboard {
  override convertHTML(markup: string) {
    return super.convertHTML(pasted?.createHTML(markup) ?? markup)
  }

  /** What Quill does here for lists of a word processor writes markup into elements, which the policy refuses. */
  override normalizeHTML(): void {}

  /** Of what is pasted with a file, such as a picture of it, the words are taken. */
  override onCapturePaste(event: ClipboardEvent): void {
    const copied = event.clipboardData
    if (copied === null || copied.files.length === 0) return super.onCapturePaste(event)
    event.preventDefault()
    const range = this.quill.isEnabled() ? this.quill.getSelection(true) : null
    if (range !== null) this.onPaste(range, { html: copied.getData('text/html'), text: copied.getData('text/plain') })
  }
}

/** A sign for what is in the text and is no text, such as a picture from another program. */
class Thing extends Embed {
  static override blotName = THING
  static override tagName = 'span'
  static override className = 'thing'

  static override create(value: unknown): HTMLElement {
    const node = super.create(value) as HTMLElement
    node.dataset['value'] = JSON.stringify(value)
    node.textContent = Object.keys(Object(value))[0] ?? 'something'
    return node
  }

  static override value(node: HTMLElement): unknown {
    try {
      return JSON.parse(node.dataset['value'] ?? '')
    } catch {
      return {}
    }
  }
}

Quill.register({ 'modules/clipboard': QuietClipboard }, true)
for (const format of [Blockquote, Bold, Code, Header, Italic, Link, ListItem, Thing]) Quill.register(format as never, true)

/** An editor in this element, in which nothing can be written yet. */
export function mountQuill(host: HTMLElement, label: string, placeholder = ''): Quill {
  emptyOnItsOwn(host)
  const modules = { history: { userOnly: true }, uploader: { mimetypes: [] } }
  const quill = new Quill(host, { readOnly: true, placeholder, formats: [...Object.keys(FORMATS), THING], modules })
  const attributes = { 'aria-label': label, 'aria-multiline': 'true', role: 'textbox' }
  for (const [name, value] of Object.entries(attributes)) quill.root.setAttribute(name, value)
  quill.root.classList.add('prose')
  return quill
}

/** Quill empties its element by writing no markup into it, which the policy takes for markup all the same. */
function emptyOnItsOwn(host: HTMLElement): void {
  Object.defineProperty(host, 'innerHTML', { configurable: true, get: () => '', set: () => host.replaceChildren() })
}
