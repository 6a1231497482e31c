// Records what the unmodified y-websocket client puts on the wire, and what y-protocols would answer, as the golden
// frames of protocol/tests/golden. Everything in it is fixed, so a second run writes the same bytes.
//
//   node record_golden.mjs           writes the files
//   node record_golden.mjs --check   fails if they differ from what the installed client does
//
// A line is a mark, a label and a value: `@` the address as requested, `>` a frame of the client, `<` a frame of the
// server, `=` bytes that a frame is made of, as the library handed them out. Values but the address are hexadecimal.
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { encoding } from 'lib0'
import { WebSocket, WebSocketServer } from 'ws'
import * as authProtocol from 'y-protocols/auth'
import * as awarenessProtocol from 'y-protocols/awareness'
import * as syncProtocol from 'y-protocols/sync'
import { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'

const SYNC = 0
const AWARENESS = 1
const AUTH = 2
const QUERY_AWARENESS = 3

const ADA = 1
const BEN = 4242424242 // above 31 bits
const EVE = Number.MAX_SAFE_INTEGER

const directory = new URL('../../protocol/tests/golden/', import.meta.url)
const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })

// One client and its conversation with the recording server.
class Session {
  constructor (about) {
    this.lines = [`# ${about}`]
    this.frames = []
    this.arrived = () => {}
  }

  static async open (about, { room = 'room', clientID = ADA, params = {}, doc = documentOf(clientID) } = {}) {
    const session = new Session(about)
    const connection = once(server, 'connection')
    session.doc = doc
    session.provider = new WebsocketProvider(`ws://127.0.0.1:${server.address().port}`, room, doc, {
      params, WebSocketPolyfill: WebSocket, disableBc: true
    })
    const [socket, request] = await connection
    session.socket = socket
    socket.on('message', data => { session.frames.push(data); session.arrived() })
    session.write('@', 'address', request.url)
    await session.from('step1')
    await session.from('awareness-own')
    return session
  }

  // The next frame of the client.
  async from (label) {
    while (this.frames.length === 0) await new Promise(resolve => { this.arrived = resolve })
    this.bytes('>', label, this.frames.shift())
  }

  // A frame to the client.
  to (label, frame) {
    this.bytes('<', label, frame)
    this.socket.send(frame)
  }

  // Does something to the document, and notes the update that it makes.
  async edit (label, change) {
    const update = new Promise(resolve => this.doc.once('update', resolve))
    this.doc.transact(() => change(this.doc.getText('text')))
    this.bytes('=', `${label}-bytes`, await update)
    await this.from(label)
  }

  bytes (mark, label, bytes) {
    this.write(mark, label, Buffer.from(bytes).toString('hex'))
  }

  write (mark, label, value) {
    this.lines.push(`${mark} ${label} ${value}`)
  }

  async close () {
    this.provider.destroy()
    await this.from('awareness-goodbye')
    await once(this.socket, 'close')
    this.doc.destroy() // ends the timer of its awareness
    return this.finish()
  }

  finish () {
    if (this.frames.length > 0) throw new Error(`${this.frames.length} frames were not expected: ${this.lines[0]}`)
    return this.lines.join('\n') + '\n'
  }
}

const scenarios = {
  async connect () {
    const session = await Session.open('An empty document connects, is asked for what it has, and is given what it lacks.')
    const other = documentOf(BEN, 'Hello')
    session.to('server-step1', frame(SYNC, encoder => syncProtocol.writeSyncStep1(encoder, other)))
    session.bytes('=', 'step2-bytes', Y.encodeStateAsUpdate(session.doc, Y.encodeStateVector(other)))
    await session.from('step2')
    const synced = once(session.provider, 'sync')
    session.to('server-step2', frame(SYNC, encoder => syncProtocol.writeSyncStep2(encoder, other)))
    await synced
    return session.close()
  },

  async reconnect () {
    const doc = documentOf(ADA, 'written offline ✎')
    const session = await Session.open('A document with content connects: its state vector and its answer are not empty.', { doc })
    session.bytes('=', 'state-vector-bytes', Y.encodeStateVector(doc))
    session.to('server-step1', frame(SYNC, encoder => syncProtocol.writeSyncStep1(encoder, documentOf(BEN))))
    session.bytes('=', 'step2-bytes', Y.encodeStateAsUpdate(doc))
    await session.from('step2')
    return session.close()
  },

  async typing () {
    const session = await Session.open('Typing: inserts, a surrogate pair, a deletion, and an update of 20 kB.')
    await session.edit('insert', text => text.insert(0, 'Hi'))
    await session.edit('surrogates', text => text.insert(2, ' 🙂'))
    await session.edit('delete', text => text.delete(0, 1))
    await session.edit('big', text => text.insert(0, 'x'.repeat(20_000)))
    return session.close()
  },

  async presence () {
    const session = await Session.open('Presence: a state, a change, a goodbye, a return; others come, are queried, and leave.')
    const { awareness } = session.provider
    awareness.setLocalState({ user: { name: 'Ada', color: '#c0ffee' } })
    await session.from('state')
    awareness.setLocalStateField('cursor', { anchor: 0, 'größe': '✎' })
    await session.from('field')
    awareness.setLocalState(null)
    await session.from('goodbye')
    awareness.setLocalState({ back: true })
    await session.from('back')
    const ben = presenceOf(BEN, { user: { name: 'Ben' } })
    session.to('ben', presenceFrame(ben, [BEN]))
    await session.from('ben-sent-back')
    const eve = presenceOf(EVE, { user: { name: 'Eve' } })
    session.to('eve', presenceFrame(eve, [EVE]))
    await session.from('eve-sent-back')
    session.to('query', frame(QUERY_AWARENESS))
    await session.from('everyone')
    ben.setLocalState(null)
    session.to('ben-gone', presenceFrame(ben, [BEN]))
    await session.from('ben-gone-sent-back')
    ben.destroy()
    eve.destroy()
    return session.close()
  },

  async room () {
    const session = await Session.open('A room with a slash, a space and an accent, and parameters.', {
      room: 'room/é x', params: { token: 'a&b' }
    })
    return session.close()
  },

  // What a server that is made of y-protocols writes.
  async server () {
    const session = new Session('Frames of a server that is made of lib0 and y-protocols.')
    const doc = documentOf(BEN, 'Hello')
    session.bytes('=', 'step1-bytes', Y.encodeStateVector(doc))
    session.bytes('<', 'step1', frame(SYNC, encoder => syncProtocol.writeSyncStep1(encoder, doc)))
    session.bytes('=', 'step2-bytes', Y.encodeStateAsUpdate(doc))
    session.bytes('<', 'step2', frame(SYNC, encoder => syncProtocol.writeSyncStep2(encoder, doc)))
    session.bytes('<', 'update', frame(SYNC, encoder => syncProtocol.writeUpdate(encoder, Y.encodeStateAsUpdate(doc))))
    const awareness = presenceOf(BEN, { user: { name: 'Ben ✎' } })
    session.bytes('<', 'presence', presenceFrame(awareness, [BEN]))
    awareness.meta.set(EVE, { clock: 300, lastUpdated: 0 })
    session.bytes('<', 'presence-and-gone', presenceFrame(awareness, [BEN, EVE]))
    session.bytes('<', 'presence-of-nobody', presenceFrame(awareness, []))
    session.bytes('<', 'denied', frame(AUTH, encoder => authProtocol.writePermissionDenied(encoder, 'not yours: é')))
    awareness.destroy()
    return session.finish()
  }
}

function documentOf (clientID, text = '') {
  const doc = new Y.Doc()
  doc.clientID = clientID
  if (text !== '') doc.getText('text').insert(0, text)
  return doc
}

function presenceOf (clientID, state) {
  const awareness = new awarenessProtocol.Awareness(documentOf(clientID))
  awareness.setLocalState(state)
  return awareness
}

function presenceFrame (awareness, clients) {
  return frame(AWARENESS, encoder => {
    encoding.writeVarUint8Array(encoder, awarenessProtocol.encodeAwarenessUpdate(awareness, clients))
  })
}

function frame (type, writeBody = () => {}) {
  const encoder = encoding.createEncoder()
  encoding.writeVarUint(encoder, type)
  writeBody(encoder)
  return encoding.toUint8Array(encoder)
}

async function check (file, text) {
  if (await readFile(file, 'utf8') === text) return
  console.error(`${file.pathname} differs from what the client does`)
  process.exitCode = 1
}

async function save (file, text) {
  await mkdir(directory, { recursive: true })
  await writeFile(file, text)
}

await once(server, 'listening')
const keep = process.argv.includes('--check') ? check : save
for (const [name, record] of Object.entries(scenarios)) {
  await keep(new URL(`${name}.txt`, directory), await record())
}
server.close()
