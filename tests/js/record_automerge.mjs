// Records what an unmodified client of automerge-repo puts on the wire, as golden frames of protocol/tests/golden.
// Everything in it is fixed, so a second run writes the same bytes.
//
//   node record_automerge.mjs           writes the file
//   node record_automerge.mjs --check   fails if it differs from what the installed client does
//
// The lines are those of record_golden.mjs: `>` a frame of the client, `<` a frame of the server, `=` bytes that a frame
// is made of. The server's frames are written as Quire writes them, which is not byte by byte as npm's server does: that
// the client goes on to do what it should shows that it reads them.
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import * as Automerge from '@automerge/automerge'
import { Repo, encodeHeads } from '@automerge/automerge-repo'
import { WebSocketClientAdapter } from '@automerge/automerge-repo-network-websocket'
import { Encoder } from 'cbor-x'
import { WebSocketServer } from 'ws'

const ADA = 'peer-ada'
const SERVER = 'quire'
const BEN = 'peer-ben'
const STORE = '3760df37-a4c6-4f66-9ecd-732039a9385d'
const FAR_STORE = 'f0f4ac8e-3f3a-4a55-a47c-0d2b2fd5a4c6'
const OWN = 'pEbmSWqJdBuPadRGm8tDZXgWR6'
const OTHERS = '2QwEPLa7JjCKXvEr1XaPo72FxEmh'

// What the client makes up by chance is always the same.
Math.random = () => 0.5

const cbor = new Encoder({ tagUint8Array: false, useRecords: false, variableMapSize: true })
const lines = ['# A client of automerge-repo joins, uploads, asks for what is not there, shows itself and hears of a store.']
const frames = []
let arrived = () => {}

async function from (label) {
  while (frames.length === 0) await new Promise(resolve => { arrived = resolve })
  note('>', label, frames.shift())
}

function to (label, { type, ...fields }) {
  const frame = cbor.encode({ type, senderId: SERVER, targetId: ADA, ...fields })
  note('<', label, frame)
  socket.send(frame)
}

function note (mark, label, bytes) {
  lines.push(`${mark} ${label} ${Buffer.from(bytes).toString('hex')}`)
}

// A sync message of version 1 as Quire writes it, with no filter and no flags.
function sync (heads, shared, changes) {
  const bytes = [0x42, ...hashes(heads), 0, 1, ...hashes(shared), 0, changes.length]
  for (const change of changes) bytes.push(change.length, ...change)
  return Uint8Array.from(bytes)
}

const hashes = hexes => [hexes.length, ...hexes.flatMap(hex => [...Buffer.from(hex, 'hex')])]

function written (text) {
  const empty = Automerge.init({ actor: '0011223344556677' })
  return Automerge.change(empty, { time: 1, message: 'first' }, doc => { doc.text = text })
}

const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
await once(server, 'listening')
const connection = once(server, 'connection')
const adapter = new WebSocketClientAdapter(`ws://127.0.0.1:${server.address().port}`)
const repo = new Repo({ network: [adapter], peerId: ADA, enableRemoteHeadsGossiping: true })
const [socket] = await connection
socket.on('message', data => { frames.push(data); arrived() })

await from('join')
to('peer', { type: 'peer', peerMetadata: { storageId: STORE, isEphemeral: false }, selectedProtocolVersion: '1' })
await repo.networkSubsystem.whenReady()

const own = written('hello')
const heads = Automerge.getHeads(own)
const [change] = Automerge.getAllChanges(own)
note('=', 'own-change', change)
const handle = repo.import(Automerge.save(own), { docId: OWN })
await from('announce')
to('asks', { type: 'sync', documentId: OWN, data: sync([], [], []) })
await from('upload')
to('has', { type: 'sync', documentId: OWN, data: sync(heads, heads, []) })

const found = repo.find(`automerge:${OTHERS}`)
await from('request')
to('unavailable', { type: 'doc-unavailable', documentId: OTHERS })
await found.then(() => { throw new Error('it is not there') }, () => {})
const other = written('something else')
const [later] = Automerge.getAllChanges(other)
note('=', 'other-change', later)
to('arrives', { type: 'sync', documentId: OTHERS, data: sync(Automerge.getHeads(other), Automerge.getHeads(other), [later]) })
await from('has-too')

handle.broadcast({ hello: 'é' })
await from('ephemeral')
const shown = once(handle, 'ephemeral-message')
to('shown', { type: 'ephemeral', senderId: BEN, documentId: OWN, sessionId: 's', count: 3, data: cbor.encode([1, 'two']) })
const [{ message }] = await shown
if (message[1] !== 'two') throw new Error('the client reads something else')
// It passes on what others say, also to the one who said it.
await from('passed-on')

repo.subscribeToRemotes([FAR_STORE])
await from('subscribe')
const stored = once(handle, 'remote-heads')
const newHeads = { [FAR_STORE]: { heads: encodeHeads(heads), timestamp: 1_700_000_000_000 } }
to('stored', { type: 'remote-heads-changed', documentId: OWN, newHeads })
const [{ storageId, timestamp }] = await stored
if (storageId !== FAR_STORE || timestamp !== 1_700_000_000_000) throw new Error('the client hears something else')

adapter.disconnect()
server.close()

const file = new URL('../../protocol/tests/golden/automerge.txt', import.meta.url)
const text = lines.join('\n') + '\n'
if (!process.argv.includes('--check')) await writeFile(file, text)
else if (await readFile(file, 'utf8') !== text) {
  console.error(`${file.pathname} differs from what the client does`)
  process.exitCode = 1
}
