/**
 * As in guides/collaborative-editing of Hocuspocus' documentation, and in the one of Tiptap's extension for carets: the
 * document is the provider's own, and the user is renamed while they are there.
 */
import { HocuspocusProvider } from '@hocuspocus/provider'
import { Editor } from '@tiptap/core'
import Collaboration from '@tiptap/extension-collaboration'
import CollaborationCaret from '@tiptap/extension-collaboration-caret'
import StarterKit from '@tiptap/starter-kit'

const provider = new HocuspocusProvider({
  url: 'ws://127.0.0.1:1234',
  name: 'page.140',
})

const editor = new Editor({
  element: document.querySelector('.element'),
  extensions: [
    StarterKit.configure({ undoRedo: false }),
    Collaboration.configure({ document: provider.document }),
    CollaborationCaret.configure({ provider, user: { name: 'Wren', color: '#f783ac' } }),
  ],
})
editor.commands.updateUser({ name: 'Jenny', color: '#305500' })

export { editor, provider }
