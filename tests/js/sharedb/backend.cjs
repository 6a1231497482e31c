// A stand-in for ShareDB's `Backend`, for ShareDB's own tests of its client: each is a workspace of its own in a server that
// runs elsewhere, and `connect()` gives the real client a real WebSocket to it. What only works inside the server's process
// (middleware, the database, the agent) cannot be had over a socket: a test that reaches for it is skipped and says for what.
const Connection = require('sharedb/lib/client/connection')
const RealBackend = require('sharedb/lib/backend')
const { Socket } = require('./socket.cjs')
const { needs } = require('./needs.cjs')
const settings = require('./settings.cjs')

const CONSTANTS = { MIDDLEWARE_ACTIONS: constants('MIDDLEWARE_ACTIONS'), SNAPSHOT_TYPES: constants('SNAPSHOT_TYPES') }

let workspaces = 0
const open = new Set()

class Backend {
  constructor (options = {}) {
    if (options.milestoneDb) needs('a store of milestones')
    Object.assign(this, CONSTANTS)
    this.workspace = `${settings.prefix}${++workspaces}`
    this.sockets = new Set()
    this.senders = []
    this.translated = new Set()
    this.db = inside('the database')
    open.add(this)
    return new Proxy(this, { get: reach, set: refuse })
  }

  connect (connection, request, callback) {
    if (request) needs('the request of the connection')
    const socket = new Socket(`${settings.url}/sharedb/${this.workspace}`, this)
    this.sockets.add(socket)
    if (connection) connection.bindToSocket(socket)
    else connection = new Connection(socket)
    connection.agent = inside('the agent')
    if (callback) connection.once('connected', () => callback(connection))
    return connection
  }

  // Middleware of one kind can be had at the socket: what looks at presence on its way to a client, and delays it.
  use (action, middleware) {
    if (action === 'sendPresence') this.senders.push(middleware)
    else needs(`middleware: ${action}`)
  }

  // Projections are declared to the server when it starts.
  addProjection (name, collection, fields) {
    const declared = settings.projections[name]
    if (declared?.collection !== collection || Object.keys(fields).join() !== declared.fields.join()) needs('a projection made meanwhile')
  }

  close (callback) {
    for (const socket of this.sockets) socket.close()
    open.delete(this)
    if (callback) process.nextTick(callback)
  }

  // Spied upon at the class, to see that it is not called.
  get getOps () {
    return needs('the server: getOps')
  }

  on () { needs('an event of the server') }
  once () { needs('an event of the server') }
}

// What a test may ask of the object itself; everything else is inside the server.
function reach (backend, name) {
  if (typeof name === 'symbol' || name in backend || name === 'then') return backend[name]
  return needs(`the server: ${name}`)
}

function refuse (backend, name, value) {
  if (name in backend || settings.serves[name] === value) {
    backend[name] = value
    return true
  }
  return needs(`a setting of the server: ${name} = ${value}`)
}

// Something that may be held but not used.
function inside (what) {
  const use = (_, name) => typeof name === 'symbol' ? undefined : needs(`${what}: ${name}`)
  return new Proxy({}, { get: use, set: use, getOwnPropertyDescriptor: use })
}

function constants (name) {
  return RealBackend.prototype[name]
}

/** Ends what a test left open. */
function closeAll () {
  for (const backend of [...open]) backend.close()
}

module.exports = { Backend, closeAll }
