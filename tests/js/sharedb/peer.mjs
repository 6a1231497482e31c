// ShareDB's own server, to see what its client's tests make of it over a socket: one `Backend` for each path, as Quire has
// workspaces, with the database of ShareDB's own tests. Prints its port.
import { createRequire } from 'node:module'
import { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'

const require = createRequire(import.meta.url)
const Backend = require('sharedb')
const Database = require('sharedb/test/BasicQueryableMemoryDB')
const settings = require('./settings.cjs')

for (const name of ['rich-text', 'ot-text', 'ot-text-unicode']) Backend.types.register(require(name).type)
Backend.logger.setMethods({ info () {}, warn () {}, error () {} })

const backends = new Map()
const server = new WebSocketServer({ host: '127.0.0.1', port: 0 }, () => console.log(server.address().port))
server.on('connection', (socket, request) => backend(request.url).listen(stream(socket)))

function backend (path) {
  if (!backends.has(path)) backends.set(path, create())
  return backends.get(path)
}

function create () {
  const made = new Backend({ db: new Database(), presence: true, ...settings.serves })
  for (const [name, { collection, fields }] of Object.entries(settings.projections)) {
    made.addProjection(name, collection, Object.fromEntries(fields.map(field => [field, true])))
  }
  return made
}

// What ShareDB reads objects from and writes objects to.
function stream (socket) {
  const both = new Duplex({
    objectMode: true,
    read () {},
    write (message, _, done) { socket.send(JSON.stringify(message), () => done()) },
    final (done) { socket.close(1000); done() }
  })
  socket.on('message', text => both.push(JSON.parse(text)))
  socket.on('close', () => { both.push(null); both.destroy() })
  both.on('error', () => socket.close(1011))
  return both
}
