// automerge-repo as its sync server sets it up: files beneath, and nobody is told of documents that he did not ask for.
import fs from 'node:fs'
import http from 'node:http'
import { Repo } from '@automerge/automerge-repo'
import { WebSocketServerAdapter } from '@automerge/automerge-repo-network-websocket'
import { NodeFSStorageAdapter } from '@automerge/automerge-repo-storage-nodefs'
import { WebSocketServer } from 'ws'

fs.mkdirSync(process.env.DATA_DIR, { recursive: true })
const server = http.createServer()
const sockets = new WebSocketServer({ server })
const hears = new Promise((resolve) => {
  sockets.on('newListener', (event) => event === 'connection' && resolve())
})
new Repo({
  network: [new WebSocketServerAdapter(sockets)],
  storage: new NodeFSStorageAdapter(process.env.DATA_DIR),
  peerId: 'storage-server-bench',
  sharePolicy: async () => false,
})
// Who connects before the library has read its own id is never heard.
await hears
server.listen(Number(process.env.PORT), '127.0.0.1')
