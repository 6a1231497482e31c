/** As in guides/awareness of Hocuspocus' documentation: where everybody's pointer is. */
import { HocuspocusProvider } from '@hocuspocus/provider'
import * as Y from 'yjs'

let seen = []

const provider = new HocuspocusProvider({
  url: 'ws://127.0.0.1:1234',
  name: 'awareness-example',
  document: new Y.Doc(),
  onAwarenessUpdate: ({ states }) => {
    seen = states
  },
})

document.addEventListener('mousemove', ({ clientX, clientY }) => {
  provider.setAwarenessField('user', { name: 'Heron', color: '#ffcc00', mouseX: clientX, mouseY: clientY })
})

export { provider, seen }
