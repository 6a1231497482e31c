/** As in guides/multi-subdocuments of Hocuspocus' documentation: two editors, each for a field of one document. */
import { HocuspocusProvider } from '@hocuspocus/provider'
import { Editor } from '@tiptap/core'
import Collaboration from '@tiptap/extension-collaboration'
import StarterKit from '@tiptap/starter-kit'
import * as Y from 'yjs'

const ydoc = new Y.Doc()
const provider = new HocuspocusProvider({
  url: 'ws://127.0.0.1:1234',
  name: 'page.141',
  document: ydoc,
})

/** An editor for a field of the document. */
function editor(place, field) {
  return new Editor({
    element: document.querySelector(place),
    extensions: [StarterKit.configure({ undoRedo: false }), Collaboration.configure({ document: ydoc, field })],
  })
}

export const title = editor('.title', 'title')
export const body = editor('.element', 'body')
export { provider }
