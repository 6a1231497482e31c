/** As in provider/events of Hocuspocus' documentation: listeners in the settings, and ones that are bound and taken away later. */
import { HocuspocusProvider } from '@hocuspocus/provider'
import * as Y from 'yjs'

const heard = []
const hear = (what) => heard.push(what)

const provider = new HocuspocusProvider({
  url: 'ws://127.0.0.1:1234',
  name: 'example-document',
  document: new Y.Doc(),
  onOpen: () => hear('open'),
  onConnect: () => hear('connect'),
  onAuthenticated: () => hear('authenticated'),
  onAuthenticationFailed: ({ reason }) => hear(`refused: ${reason}`),
  onStatus: ({ status }) => hear(`status: ${status}`),
  // Where a provider has a socket of its own, that tells of each message before it is read as well.
  onMessage: ({ event, message }) => hear(event && message ? 'message' : 'not read yet'),
  onOutgoingMessage: ({ message }) => hear(message ? 'sent' : 'nothing sent'),
  onSynced: ({ state }) => hear(`synced: ${state}`),
  onClose: ({ event }) => hear(`close: ${typeof event.code}`),
  onDisconnect: ({ event }) => hear(`disconnect: ${typeof event.code}`),
  onDestroy: () => hear('destroy'),
  onAwarenessUpdate: ({ states }) => hear(`update of ${states.length}`),
  onAwarenessChange: ({ states }) => hear(`change of ${states.length}`),
  onStateless: ({ payload }) => hear(`signal: ${payload}`),
})

const bound = () => hear('bound')
const unbound = () => hear('unbound')
provider.on('synced', bound)
provider.on('synced', unbound)
provider.off('synced', unbound)

export { heard, provider }
