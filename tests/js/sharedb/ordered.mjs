// What must be true of a document when all is quiet: everyone holds the same, the server stores it, and its log, played from
// the beginning, leads there through what the server says of every version.
import assert from 'node:assert/strict'
import WebSocket from 'ws'
import { types } from './client.mjs'

const PATIENCE_MS = 20_000

/** Everybody's version and content are the same, and the server's. */
export async function agreed (server, people) {
  const [first, ...others] = people
  for (const other of others) {
    assert.equal(other.doc.version, first.doc.version)
    assert.deepEqual(other.content, first.content)
  }
  const { collection, id, version, type } = first.doc
  assert.deepEqual(await stored(server, collection, id, version), { type: type?.uri ?? null, data: first.content })
}

/** Plays the log from the beginning, compares each version with what the API and the client are told of it, and finds each operation once. */
export async function replayed (server, person) {
  const { collection, id } = person.doc
  const ops = await log(server, collection, id)
  assert.equal(ops.length, person.doc.version)
  assert.equal(new Set(ops.map(({ src, seq }) => `${src} ${seq}`)).size, ops.length, 'an operation is there twice')
  let state = { type: null }
  for (const [version, op] of ops.entries()) {
    assert.equal(op.v, version)
    state = applied(state, op)
    const said = await stored(server, collection, id, version + 1)
    assert.deepEqual(said, { type: state.type, data: plain(state) }, `version ${version + 1}`)
    const fetched = await person.snapshot(version + 1)
    assert.deepEqual([fetched.v, fetched.type, fetched.data], [version + 1, state.type, plain(state)])
  }
  assert.deepEqual(plain(state), person.content)
}

/** What the API says of a version. */
export async function stored (server, collection, id, version) {
  const answer = await server.document(`${collection}/${id}`, `/content?format=json&index=${version}`)
  assert.deepEqual([answer.status, answer.headers.get('Quire-Index')], [200, String(version)])
  const type = types.map[answer.headers.get('Quire-Type')]?.uri ?? null
  const data = await answer.text()
  return { type, data: type === null ? undefined : JSON.parse(data) }
}

/** All operations of a document, as a client of version 0 is told them. */
export async function log (server, collection, id) {
  const wire = await openWire(server)
  wire.say({ a: 'f', c: collection, d: id, v: 0 })
  const ops = []
  for (;;) {
    const message = await wire.hear()
    if (message.a === 'op') ops.push(message)
    if (message.a === 'f') break
  }
  wire.close()
  return ops
}

/** A bare socket that has shaken hands: what is said on it, and what is heard, one message after the other. */
export async function openWire (server, { workspace = 'default', id = null } = {}) {
  const socket = new WebSocket(`${server.url}/sharedb/${workspace}`)
  const heard = []
  const waiting = []
  socket.on('message', data => waiting.length > 0 ? waiting.shift()(JSON.parse(data)) : heard.push(JSON.parse(data)))
  socket.on('error', () => {})
  const wire = {
    socket,
    say: message => socket.send(typeof message === 'string' || Buffer.isBuffer(message) ? message : JSON.stringify(message)),
    hear: async () => heard.shift() ?? await nextOf(waiting),
    close: () => socket.terminate()
  }
  const init = await wire.hear()
  wire.say({ a: 'hs', id, protocol: 1, protocolMinor: 2 })
  const answer = await wire.hear()
  return Object.assign(wire, { init, id: answer.id })
}

function nextOf (waiting) {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`heard nothing for ${PATIENCE_MS} ms`)), PATIENCE_MS)
    waiting.push(message => {
      clearTimeout(late)
      resolve(message)
    })
  })
}

function applied (state, op) {
  if (op.del) return { type: null }
  if (op.create) {
    const type = types.map[op.create.type]
    return { type: type.uri, data: type.create(copy(op.create.data)) }
  }
  return op.op === undefined ? state : { type: state.type, data: types.map[state.type].apply(state.data, copy(op.op)) }
}

const copy = value => value === undefined ? undefined : JSON.parse(JSON.stringify(value))
const plain = state => state.type === null ? undefined : copy(state.data)
