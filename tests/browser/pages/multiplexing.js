/** As in provider/examples of Hocuspocus' documentation, under "Multiplexing": two documents on one socket, each with its token. */
import { HocuspocusProvider, HocuspocusProviderWebsocket } from '@hocuspocus/provider'

const socket = new HocuspocusProviderWebsocket({ url: 'ws://127.0.0.1:1234' })

const one = new HocuspocusProvider({ websocketProvider: socket, name: 'document1', token: '' })
const other = new HocuspocusProvider({ websocketProvider: socket, name: 'document2', token: '' })

export { one, other }
