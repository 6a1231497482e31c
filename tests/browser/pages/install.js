/** As in provider/install of Hocuspocus' documentation, and in provider/introduction: a document of one's own and a provider for it. */
import { HocuspocusProvider } from '@hocuspocus/provider'
import * as Y from 'yjs'

const ydoc = new Y.Doc()
const provider = new HocuspocusProvider({
  url: 'ws://127.0.0.1:1234',
  name: 'example-document',
  document: ydoc,
})

export { provider, ydoc }
