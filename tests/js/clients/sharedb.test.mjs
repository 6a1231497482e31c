// What ShareDB's client is promised besides convergence: joining late, documents in bulk and by version and time, several
// sockets under one name, clients of the first version, and presence that follows the text and leaves no ghosts.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import WebSocket from 'ws'
import { randomDocument, randomOperation } from '../ot/random.mjs'
import { LegacyConnection, types } from '../sharedb/client.mjs'
import { agreed, log, openWire, replayed } from '../sharedb/ordered.mjs'
import { join } from '../sharedb/person.mjs'
import { seeded } from '../sharedb/seed.mjs'
import { startServer } from './server.mjs'
import { until } from './until.mjs'

const at = (server, workspace = 'default') => `${server.url}/sharedb/${workspace}`

test('somebody who joins late, and somebody who was away, hold what the others hold', async t => {
  const server = await startServer(t)
  const [one, away] = [join(t, at(server), 'late', 'd'), join(t, at(server), 'late', 'd')]
  await one.create({ list: [] }, 'json0')
  await Promise.all([one.subscribe(), away.subscribe()])
  away.goOffline()
  away.edit([{ p: ['list', 0], li: 'away' }])
  away.edit([{ p: ['away'], oi: true }])
  for (let i = 0; i < 20; i++) one.edit([{ p: ['list', i], li: i }])
  await one.settled()
  away.goOnline()
  await Promise.all([one.settled(), away.settled()])
  const late = join(t, at(server), 'late', 'd')
  await late.subscribe()
  await until('all are at one version', () => one.doc.version === away.doc.version && late.doc.version === one.doc.version)
  assert.equal(late.content.list.length, 21)
  await agreed(server, [one, away, late])
})

test('a document that was removed may be made again, also as another type, and its past stays', async t => {
  const server = await startServer(t)
  const [one, other] = [join(t, at(server), 'again', 'd'), join(t, at(server), 'again', 'd')]
  await one.create({ first: true }, 'json0')
  await Promise.all([one.subscribe(), other.subscribe()])
  one.remove()
  await until('the other one knows', () => other.doc.type === null)
  other.make({ ops: [{ insert: 'second' }] }, 'rich-text')
  await until('the first one has it', () => one.doc.version === 3)
  one.edit([{ insert: 'the ' }])
  await Promise.all([one.settled(), other.settled()])
  await until('both have it', () => other.doc.version === 4)
  assert.deepEqual((await one.snapshot(1)).data, { first: true })
  assert.equal((await one.snapshot(2)).type, null)
  await agreed(server, [one, other])
  await replayed(server, other)
})

test('many documents are subscribed to at once, and again at once after a cut', async t => {
  const server = await startServer(t)
  const [writer, reader] = [join(t, at(server), 'bulk', 'd0'), join(t, at(server), 'bulk', 'd0')]
  const ids = Array.from({ length: 40 }, (_, i) => `d${i}`)
  const written = ids.map(id => writer.connection.get('bulk', id))
  await Promise.all(written.map(doc => new Promise((resolve, reject) => {
    doc.create({ at: 0 }, error => error ? reject(error) : resolve())
  })))
  const read = ids.map(id => reader.connection.get('bulk', id))
  reader.connection.startBulk()
  for (const doc of read) doc.subscribe()
  reader.connection.endBulk()
  await until('all are there', () => read.every(doc => doc.data?.at === 0))
  reader.goOffline()
  for (const doc of written) doc.submitOp([{ p: ['at'], na: 1 }])
  await writer.settled()
  reader.goOnline()
  await until('all are caught up', () => read.every(doc => doc.data.at === 1 && doc.version === 2))
  for (const doc of written) doc.submitOp([{ p: ['at'], na: 1 }])
  await until('all are live', () => read.every(doc => doc.data.at === 2))
  assert.deepEqual(reader.errors, [])
})

test('documents are fetched by version and by time', async t => {
  const server = await startServer(t)
  const one = join(t, at(server), 'past', 'd')
  const times = []
  await one.create({ n: 0 }, 'json0')
  for (let n = 1; n <= 10; n++) {
    times.push(Date.now())
    await new Promise(resolve => setTimeout(resolve, 3))
    one.edit([{ p: ['n'], na: 1 }])
    await one.settled()
    await new Promise(resolve => setTimeout(resolve, 3))
  }
  for (let v = 1; v <= 11; v++) assert.deepEqual((await one.snapshot(v)).data, { n: v - 1 })
  for (const [n, time] of times.entries()) assert.deepEqual((await one.snapshotAt(time)).data, { n })
  assert.deepEqual((await one.snapshotAt(null)).v, 11)
  assert.deepEqual((await one.snapshotAt(1)).v, 0)
  await assert.rejects(one.snapshot(12), { code: 'ERR_OP_VERSION_NEWER_THAN_CURRENT_SNAPSHOT' })
})

test('a client that knows a version is told the operations since', async t => {
  const server = await startServer(t)
  const one = join(t, at(server), 'since', 'd')
  await one.create('', 'text')
  for (let n = 0; n < 5; n++) {
    one.edit([String(n)])
    await one.settled()
  }
  const wire = await openWire(server)
  for (const a of ['f', 's']) {
    wire.say({ a, c: 'since', d: 'd', v: 3 })
    for (const v of [3, 4, 5]) assert.equal((await wire.hear()).v, v)
    assert.deepEqual(await wire.hear(), { a, c: 'since', d: 'd' })
  }
  wire.say({ a: 'bf', c: 'since', b: { d: 5, none: null } })
  const bulk = [await wire.hear(), await wire.hear()]
  assert.deepEqual(bulk.map(({ a, v }) => [a, v]), [['op', 5], ['bf', undefined]])
  wire.close()
})

test('two sockets under one name are both told, and what both say is taken once', async t => {
  const server = await startServer(t)
  const first = await openWire(server)
  const second = await openWire(server, { id: first.id })
  assert.equal(second.id, first.id)
  const place = { c: 'same', d: 'd' }
  first.say({ a: 'op', ...place, v: null, seq: 1, x: {}, create: { type: 'text', data: '' } })
  assert.equal((await first.hear()).v, 0)
  for (const wire of [first, second]) {
    wire.say({ a: 's', ...place, v: 1 })
    assert.deepEqual(await wire.hear(), { a: 's', ...place })
  }
  const op = { a: 'op', ...place, v: 1, seq: 2, x: {}, op: ['hello'] }
  first.say(op)
  const ack = await first.hear()
  assert.deepEqual([ack.v, ack.op], [1, undefined])
  const told = await second.hear()
  assert.deepEqual([told.v, told.op], [1, ['hello']], 'the other socket of the same name is told')
  second.say(op)
  const again = await second.hear()
  assert.deepEqual([again.v, again.seq, again.error], [1, 2, undefined])
  assert.equal((await log(server, place.c, place.d)).length, 2)
  for (const wire of [first, second]) wire.close()
})

test('clients of ShareDB 1 edit beside those of ShareDB 7', async t => {
  const server = await startServer(t)
  const modern = join(t, at(server), 'old', 'd')
  await modern.create({ words: [] }, 'json0')
  await modern.subscribe()
  const legacy = legacyPerson(t, at(server))
  const doc = legacy.connection.get('old', 'd')
  await new Promise((resolve, reject) => doc.subscribe(error => error ? reject(error) : resolve()))
  for (let i = 0; i < 10; i++) {
    doc.submitOp([{ p: ['words', 0], li: `old ${i}` }])
    modern.edit([{ p: ['words', 0], li: `new ${i}` }])
    if (i === 5) legacy.cut()
  }
  await until('all is said', () => doc.data?.words?.length === 20 && modern.content.words.length === 20 && !doc.hasPending())
  await modern.settled()
  assert.deepEqual(doc.data, modern.content)
  assert.equal(new Set(modern.content.words).size, 20)
  await replayed(server, modern)
})

test('presence that the server holds is what it becomes when each operation since moves it', async t => {
  const random = seeded(t)
  random.form = 1
  const server = await startServer(t)
  for (const [type, move] of Object.entries(MOVES)) {
    const writers = [await openWire(server), await openWire(server)]
    const place = { c: 'cursors', d: type }
    let data = randomDocument(type, random)
    writers[0].say({ a: 'op', ...place, v: null, seq: 1, x: {}, create: { type, data } })
    await writers[0].hear()
    const cursors = new Map()
    for (let v = 1; v <= 30; v++) {
      const writer = random.pick(writers)
      const length = lengthOf(type, data)
      const p = { index: random.below(length + 1), length: 0 }
      p.length = random.below(length - p.index + 1)
      writer.say({ a: 'p', ch: `${place.c}.${place.d}`, id: 'me', p, pv: v, ...place, v, t: types.map[type].uri })
      assert.equal((await writer.hear()).error, undefined)
      cursors.set(writer.id, { p, v })
      const author = random.pick(writers)
      const op = randomOperation(type, random, data)
      author.say({ a: 'op', ...place, v, seq: v + 1, x: {}, op })
      assert.equal((await author.hear()).error, undefined)
      data = plain(types.map[type].apply(data, plain(op)))
    }
    const expected = await recomputed(server, place, cursors, move)
    assert.deepEqual(await presenceOf(server, place, cursors.size), expected, type)
    for (const writer of writers) writer.close()
  }
})

test('nobody is left in a document after the socket is gone', async t => {
  const server = await startServer(t)
  const [watcher, shown] = [join(t, at(server), 'ghosts', 'd'), join(t, at(server), 'ghosts', 'd')]
  await watcher.create({ ops: [{ insert: 'hello' }] }, 'rich-text')
  await Promise.all([watcher.subscribe(), shown.subscribe()])
  const seen = watcher.presence
  seen.subscribe()
  // Without a subscription: ShareDB's own server forgets to take this one away.
  const mine = shown.presence.create('me')
  mine.submit({ index: 2, length: 1 })
  await until('they are seen', () => seen.remotePresences.me)
  shown.goOffline()
  await until('they are gone', () => !seen.remotePresences.me)
  shown.goOnline()
  await shown.settled()
  mine.submit({ index: 3, length: 0 })
  await until('they are back', () => seen.remotePresences.me?.index === 3)
})

test('who looks for people before the document is loaded sees them when it is, and when it is loaded again', async t => {
  const server = await startServer(t)
  const [shown, late] = [join(t, at(server), 'early', 'd'), join(t, at(server), 'early', 'd')]
  await shown.create({ ops: [{ insert: 'hello' }] }, 'rich-text')
  await shown.subscribe()
  const mine = shown.presence.create('me')
  await new Promise((resolve, reject) => mine.submit({ index: 2, length: 1 }, error => error ? reject(error) : resolve()))
  const seen = late.presence
  await new Promise((resolve, reject) => seen.subscribe(error => error ? reject(error) : resolve()))
  await late.subscribe()
  await until('they are seen', () => seen.remotePresences.me?.index === 2)
  shown.edit([{ insert: 'oh, ' }])
  await until('they are moved', () => seen.remotePresences.me?.index === 6)
  mine.submit(null)
  await until('they are gone', () => !seen.remotePresences.me)
  assert.deepEqual([late.errors, shown.errors], [[], []])
})

for (const [stored, QUIRE_SHAREDB__COMMIT_NOOPS] of [[4, 'true'], [3, 'false']]) {
  test(`of two who remove the same at once, ${stored === 4 ? 'both are' : 'one is'} in the past`, async t => {
    const server = await startServer(t, { env: { QUIRE_SHAREDB__COMMIT_NOOPS } })
    const people = ['one', 'other'].map(() => join(t, at(server), 'noop', 'd'))
    await people[0].create('ab', 'text')
    await Promise.all(people.map(person => person.subscribe()))
    people[1].connection.socket.pause()
    people[0].edit([{ d: 1 }])
    await people[0].settled()
    people[1].edit([{ d: 1 }])
    people[1].connection.socket.resume()
    await Promise.all(people.map(person => person.settled()))
    for (const person of people) assert.deepEqual([person.acked, person.errors, person.content], [1, [], 'b'])
    people[1].edit(['c'])
    await people[1].settled()
    await until('both have it', () => people[0].content === 'cb')
    assert.equal((await log(server, 'noop', 'd')).length, stored)
    await agreed(server, people)
  })
}

test('clients of ShareDB 1 know nothing of operations that are not stored', async t => {
  const server = await startServer(t, { env: { QUIRE_SHAREDB__COMMIT_NOOPS: 'false' } })
  const { connection } = legacyPerson(t, at(server))
  const doc = connection.get('noop', 'legacy')
  const done = ask => new Promise((resolve, reject) => ask(error => error ? reject(error) : resolve()))
  await done(answer => doc.create({ n: 0 }, answer))
  await done(answer => doc.submitOp([], answer))
  assert.equal((await log(server, 'noop', 'legacy')).length, 2)
})

const MOVES = {
  'rich-text': (p, op, own) => types.map['rich-text'].transformPresence(p, op, own),
  text: moveSelection('text'),
  'text-unicode': moveSelection('text-unicode')
}

function moveSelection (type) {
  return ({ index, length }, op, own) => {
    const [from, to] = [index, index + length].map(place => types.map[type].transformSelection(place, op, own))
    return { index: from, length: to - from }
  }
}

async function recomputed (server, { c, d }, cursors, move) {
  const ops = await log(server, c, d)
  const moved = [...cursors].map(([src, { p, v }]) => [src, ops.slice(v).reduce((at, op) => move(at, op.op, op.src === src), p)])
  return Object.fromEntries(moved)
}

// What somebody who comes now is told.
async function presenceOf (server, { c, d }, count) {
  const wire = await openWire(server)
  wire.say({ a: 'ps', ch: `${c}.${d}`, seq: 1 })
  const found = {}
  while (Object.keys(found).length < count) {
    const message = await wire.hear()
    if (message.a === 'p') found[message.src] = message.p
  }
  wire.close()
  return found
}

function legacyPerson (test, url) {
  const person = { cut: () => person.connection.socket.terminate() }
  let here = true
  const socket = () => {
    const made = new WebSocket(url)
    made.on('error', () => {})
    made.on('close', () => here && setTimeout(() => here && person.connection.bindToSocket(socket()), 5))
    return made
  }
  person.connection = new LegacyConnection(socket())
  test.after(() => {
    here = false
    person.cut()
  })
  return person
}

function lengthOf (type, data) {
  if (type === 'text') return data.length
  if (type === 'text-unicode') return [...data].length
  return data.ops.reduce((sum, op) => sum + (typeof op.insert === 'string' ? op.insert.length : 1), 0)
}

const plain = value => JSON.parse(JSON.stringify(value))
