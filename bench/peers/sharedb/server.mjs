// ShareDB as its documentation sets it up, with its store in memory.
import http from 'node:http'
import WebSocketJSONStream from '@teamwork/websocket-json-stream'
import ShareDB from 'sharedb'
import { WebSocketServer } from 'ws'

const backend = new ShareDB({ presence: true })
const server = http.createServer()
new WebSocketServer({ server }).on('connection', (socket) => {
  socket.on('error', () => {})
  const stream = new WebSocketJSONStream(socket)
  stream.on('error', () => {})
  backend.listen(stream)
})
server.listen(Number(process.env.PORT), '127.0.0.1')
