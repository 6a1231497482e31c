/**
 * The rich text editor: Tiptap with its own extensions for collaboration. What it shows is the root type that Tiptap's
 * examples use, so their pages and this one show the same text. Its style sheet is ours (`styles/write.css`), for the one
 * that it writes into a page by itself is refused by a strict content security policy.
 */
import { Editor } from '@tiptap/core'
import { Collaboration } from '@tiptap/extension-collaboration'
import { CollaborationCaret } from '@tiptap/extension-collaboration-caret'
import { Placeholder } from '@tiptap/extensions'
import { StarterKit } from '@tiptap/starter-kit'
import type { HocuspocusProvider } from '@hocuspocus/provider'
import { caretOf, followCarets, selectionOf } from './carets.ts'
import { guarded } from './strangers.ts'

export function mountRichText(host: HTMLElement, provider: HocuspocusProvider, user: Record<string, string>): Editor {
  const editor = new Editor({
    element: host,
    injectCSS: false,
    // Not editable until the text is there: a key pressed earlier would make a paragraph of its own above it.
    editable: false,
    // A text instead of nodes would go through a parser of markup, which the policy refuses.
    content: { type: 'doc', content: [{ type: 'paragraph' }] },
    editorProps: { attributes: { 'aria-label': 'Text of the document', 'aria-multiline': 'true', role: 'textbox', class: 'prose' } },
    extensions: [
      // Collaboration has an undo of its own. A trailing paragraph would be an edit by somebody who only looks.
      StarterKit.configure({ undoRedo: false, trailingNode: false, link: { openOnClick: false } }),
      Placeholder.configure({ placeholder: 'Start writing …' }),
      Collaboration.configure({ document: provider.document }),
      CollaborationCaret.configure({ provider: { awareness: guarded(provider.awareness!) }, user, render: caretOf, selectionRender: selectionOf }),
    ],
  })
  followCarets(host, provider.awareness!)
  return editor
}
