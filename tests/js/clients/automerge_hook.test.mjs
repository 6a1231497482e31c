// Where an application decides who is let in to which document, a client may begin with a message that is longer than may wait
// until it is known, as it does of a document with a long history: it is looked into for which document it is about.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import * as Automerge from '@automerge/automerge'
import { Repo, generateAutomergeUrl, parseAutomergeUrl } from '@automerge/automerge-repo'
import { WebSocketClientAdapter } from '@automerge/automerge-repo-network-websocket'
import { decode, encode } from 'cbor-x'
import WebSocket from 'ws'
import { startApplication } from './application.mjs'
import { until } from './until.mjs'

const CHANGES = 20_000
// `limits.pre_auth_messages`
const PRE_AUTH_MESSAGES = 16

test('a long history that a client brings first is let in by the application, and all of it is stored', async t => {
  const url = generateAutomergeUrl()
  const { documentId } = parseAutomergeUrl(url)
  const { server, asked } = await startApplication(t, documentId)
  const ann = open(t, server)
  const made = ann.repo.import(longHistory(), { docId: documentId })
  const bob = open(t, server)
  const found = await bob.repo.find(url, { allowableStates: ['ready', 'unavailable'] })
  await until('bob has all', () => found.isReady() && found.doc().count === CHANGES)
  made.change(doc => { doc.count = 0 })
  await until('bob reads on', () => found.doc().count === 0)
  assert.deepEqual([ann.connections, new Set(asked)], [1, new Set([documentId])])

  // Somebody comes back with all of it, and more.
  const cleo = open(t, server)
  const copy = cleo.repo.import(Automerge.save(Automerge.change(Automerge.clone(found.doc()), doc => { doc.count = 7 })), { docId: documentId })
  await until('all have what cleo brought', () => [made, found, copy].every(handle => handle.doc().count === 7))
  assert.equal(cleo.connections, 1)
})

test('a client that may not have the first of its long histories gets the next one stored', async t => {
  const urls = [generateAutomergeUrl(), generateAutomergeUrl()]
  const documents = urls.map(url => parseAutomergeUrl(url).documentId)
  const { server, asked } = await startApplication(t, documents[1])
  const ann = open(t, server)
  const saved = longHistory()
  for (const docId of documents) ann.repo.import(saved, { docId })
  const found = await open(t, server).repo.find(urls[1], { allowableStates: ['ready', 'unavailable'] })
  await until('another has all of it', () => found.isReady() && found.doc().count === CHANGES)
  assert.deepEqual([ann.connections, new Set(asked)], [1, new Set(documents)])
})

test('what is too long to wait and is for nobody, or for nothing, closes the connection', async t => {
  const ids = [generateAutomergeUrl(), generateAutomergeUrl()].map(url => parseAutomergeUrl(url).documentId)
  const { server, asked } = await startApplication(t, ids[0])
  const data = new Uint8Array(100_000)
  const sync = { type: 'sync', targetId: 'quire', data, documentId: ids[1], senderId: 'ann' }
  for (const [messages, code, about] of [
    [Array(PRE_AUTH_MESSAGES + 1).fill(sync), 4401, [ids[1]]],
    [[{ ...sync, documentId: undefined }], 4429, []],
    [[{ ...sync, documentId: 'x'.repeat(100_000), data: new Uint8Array(1) }], 4429, []],
    [[{ ...sync, type: 'ephemeral', count: 1, sessionId: 'run' }], 4429, []]
  ]) {
    asked.length = 0
    const socket = new WebSocket(`${server.url}/automerge/default`)
    await once(socket, 'open')
    const closed = once(socket, 'close')
    socket.send(encode({ type: 'join', senderId: 'ann', peerMetadata: {}, supportedProtocolVersions: ['1'] }))
    assert.equal(decode((await once(socket, 'message'))[0]).type, 'peer')
    for (const message of messages) socket.send(encode(message))
    assert.deepEqual([(await closed)[0], asked], [code, about])
  }
})

/** A saved document whose changes nobody can have. */
function longHistory () {
  let doc = Automerge.from({ count: 0 })
  for (let count = 1; count <= CHANGES; count++) doc = Automerge.change(doc, doc => { doc.count = count })
  return Automerge.save(doc)
}

function open (t, server) {
  const person = { connections: 0 }
  const adapter = new WebSocketClientAdapter(`${server.url}/automerge/default`, 100)
  adapter.on('peer-candidate', () => { person.connections++ })
  person.repo = new Repo({ network: [adapter] })
  t.after(() => person.repo.networkSubsystem.removeNetworkAdapter(adapter))
  return person
}
