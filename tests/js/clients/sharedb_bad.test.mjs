// Bad input in the ShareDB dialect, numbers 74 to 83 of the list of bad inputs: each row is what is sent and what must come
// back, a refusal that says what was wrong or a closed socket. Somebody edits beside it and notices nothing, and what was
// refused has left no trace.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { log, openWire } from '../sharedb/ordered.mjs'
import { startServer } from './server.mjs'

const MESSAGE = 'ERR_MESSAGE_BADLY_FORMED'
const BAD = 'ERR_OT_OP_BADLY_FORMED'
const UNFIT = 'ERR_OT_OP_NOT_APPLIED'
const CLOSED = 'closed'
const TAKEN = 'taken'

const op = (change, v = 1) => ({ a: 'op', v, op: change })
const create = (type, data) => ({ a: 'op', v: 0, create: { type, data } })
const deep = (depth, open, close) => open.repeat(depth) + close.repeat(depth)
const many = (count, make) => Array.from({ length: count }, (_, i) => make(i))

// Documents of each type, of which every row gets its own.
const JSON0 = create('json0', { n: 1, s: 'text', list: [1, 2, 3] })
const TEXT = create('text', 'abc😀')
const UNICODE = create('text-unicode', 'abc😀')
const RICH = create('rich-text', { ops: [{ insert: 'hello' }] })
const add = [{ p: ['n'], na: 1 }]

// [number, what it is, on which document, what is sent, what comes back: one of these]
const ROWS = [
  [74, 'a version of the future', JSON0, op(add, 999), 'ERR_OP_VERSION_NEWER_THAN_CURRENT_SNAPSHOT'],
  [74, 'a version of 2^53', JSON0, op(add, 2 ** 53), MESSAGE, 'ERR_OP_VERSION_NEWER_THAN_CURRENT_SNAPSHOT'],
  ...[-1, 1.5, '1', {}, true].map(v => [74, `a version of ${JSON.stringify(v)}`, JSON0, op(add, v), MESSAGE]),
  [74, 'no version', JSON0, op(add, null), BAD, MESSAGE],

  [75, 'a gap in the numbers', JSON0, { ...op(add), seq: 1000 }, TAKEN],
  ...[-1, 1.5, '7', null].map(seq => [75, `a number of ${JSON.stringify(seq)}`, JSON0, { ...op(add), seq }, MESSAGE, BAD]),
  [75, 'a number of 2^53 - 1', JSON0, { ...op(add), seq: 2 ** 53 - 1 }, 'ERR_CONNECTION_SEQ_INTEGER_OVERFLOW'],
  [75, 'a number that another operation has', JSON0, { ...op(add), seq: 1 }, BAD, UNFIT],

  [76, 'a path of 100,000 steps', JSON0, op([{ p: many(100_000, () => 'n'), na: 1 }]), BAD, UNFIT],
  ...[-1, 1.5, 2 ** 31, 99].map(i => [76, `an item at ${i}`, JSON0, op([{ p: ['list', i], li: 0 }]), BAD, UNFIT]),
  ...['__proto__', 'constructor', 'toString'].map(name => [76, `a member ${name}`, JSON0, op([{ p: [name], oi: 1 }]), BAD]),
  [76, 'an addition to a string', JSON0, op([{ p: ['s'], na: 1 }]), UNFIT],
  [76, 'an addition of text', JSON0, op([{ p: ['n'], na: '1' }]), BAD, UNFIT],
  [76, 'a move out of the list', JSON0, op([{ p: ['list', 0], lm: 9 }]), UNFIT],
  [76, 'a deletion that names another value', JSON0, op([{ p: ['n'], od: 'other' }]), TAKEN],
  [76, 'no list of components', JSON0, op({ p: ['n'], na: 1 }), BAD],
  [76, 'a component of null', JSON0, op([null]), BAD],

  [77, 'a skip past the end', TEXT, op([99, 'x']), UNFIT],
  [77, 'a deletion past the end', TEXT, op([{ d: 99 }]), UNFIT],
  [77, 'an empty insertion', TEXT, op(['']), BAD],
  [77, 'a skip of nothing', TEXT, op([0, 'x']), BAD],
  [77, 'an insertion between the halves of a character', TEXT, op([4, 'x']), TAKEN],
  [77, 'half of a character', UNICODE, op(['\ud83d']), BAD],

  [78, 'attributes 1,000 deep', RICH, `{"a":"op","c":"@","d":"@","v":1,"seq":9,"op":{"ops":[{"insert":"x","attributes":{"a":${deep(1000, '[', ']')}}}]}}`, BAD, UNFIT],
  [78, 'an insertion of 50 MB', RICH, op({ ops: [{ insert: 'x'.repeat(50_000_000) }] }), UNFIT, MESSAGE, CLOSED, TAKEN],
  [78, 'a retain of nothing', RICH, op({ ops: [{ retain: 0 }] }), BAD],
  [78, 'a retain past the end', RICH, op({ ops: [{ retain: 99 }, { insert: 'x' }] }), UNFIT],
  [78, 'a deletion past the end', RICH, op({ ops: [{ delete: 99 }] }), UNFIT],
  [78, 'an embedded null', RICH, op({ ops: [{ insert: null }] }), BAD],
  [78, 'an embedded object', RICH, op({ ops: [{ insert: { image: 'x' } }] }), TAKEN],
  [78, 'a document of retains', null, create('rich-text', { ops: [{ retain: 5 }] }), BAD, UNFIT],
  [78, 'a document in pieces', null, create('rich-text', { ops: [{ insert: 'a' }, { insert: 'b' }] }), TAKEN],

  [80, 'an unknown type', null, create('no-such-type', {}), 'ERR_DOC_TYPE_NOT_RECOGNIZED', BAD],
  [80, 'a type of null', null, create(null, {}), 'ERR_DOC_TYPE_NOT_RECOGNIZED', BAD],
  [80, 'a second creation', JSON0, { ...create('json0', {}), v: 1 }, 'ERR_DOC_ALREADY_CREATED'],
  [80, 'an operation on nothing', null, op(add, 0), 'ERR_DOC_DOES_NOT_EXIST'],
  [80, 'everything at once', JSON0, { ...op(add), del: true }, BAD],
  [80, 'nothing at all', JSON0, { a: 'op', v: 1 }, BAD],

  [81, 'JSON 10,000 deep', JSON0, `{"a":"op","c":"@","d":"@","v":1,"seq":9,"op":${deep(10_000, '[', ']')}}`, MESSAGE, BAD, UNFIT, CLOSED],
  [81, 'a number beyond all numbers', JSON0, '{"a":"op","c":"@","d":"@","v":1,"seq":9,"op":[{"p":["n"],"na":1e400}]}', MESSAGE, BAD, UNFIT, CLOSED],
  [81, 'a number of 5 MB', JSON0, `{"a":"op","c":"@","d":"@","v":1,"seq":9,"op":[{"p":["n"],"na":${'1'.repeat(5_000_000)}}]}`, MESSAGE, BAD, UNFIT, CLOSED],
  [81, 'a member twice', JSON0, '{"a":"op","c":"@","d":"@","v":1,"v":2,"seq":9,"op":[]}', MESSAGE, BAD, CLOSED, TAKEN, 'ERR_OP_VERSION_NEWER_THAN_CURRENT_SNAPSHOT'],
  ...['\ufeff{"a":"pp"}', '{"a":"pp"} x', '[]', 'null', '"a"', '{', ''].map(text => [81, `the text ${JSON.stringify(text)}`, null, text, CLOSED]),
  [81, 'bytes', null, Buffer.from('{"a":"pp"}'), CLOSED],
  [81, 'an unknown message', null, { a: 'zz' }, MESSAGE],
  [81, 'a message without a name', null, {}, MESSAGE],

  [82, 'a list of 100,000 documents', null, { a: 'bs', b: many(100_000, i => `d${i}`) }, 'ERR_TOO_MANY'],
  [82, 'a list of numbers', null, { a: 'bs', b: [1, 2] }, MESSAGE],
  [82, 'a query of a language that is not spoken', null, { a: 'qf', id: 1, q: { $where: '1' } }, 'ERR_DATABASE_METHOD_NOT_IMPLEMENTED'],
  [82, 'a query without a number', null, { a: 'qf', q: {} }, MESSAGE],
  [82, 'a collection that all objects have', null, { a: 'f', c: '__proto__' }, MESSAGE],
  [82, 'a document without a name', null, { a: 'f', d: '' }, TAKEN],
  [82, 'a document of a number', null, { a: 'f', d: 7 }, MESSAGE],

  [83, 'a channel with NUL in it', null, { a: 'p', ch: 'a\0b', id: 'me', p: 1, pv: 1, c: undefined, d: undefined }, MESSAGE, TAKEN, 'ERR_DATABASE_METHOD_NOT_IMPLEMENTED'],
  [83, "another document's channel", RICH, { a: 'p', ch: 'other.one', id: 'me', p: { index: 0 }, pv: 1, v: 1, t: 'rich-text' }, MESSAGE],
  [83, 'a channel that all objects have', null, { a: 'ps', ch: '__proto__', seq: 1 }, MESSAGE],
  [83, 'a presence without a number', null, { a: 'p', ch: 'room', id: 'me', p: 1 }, MESSAGE]
]

test('bad input harms nobody but its sender', async t => {
  const server = await startServer(t)
  const beside = await bystander(server)
  for (const [place, [number, what, before, sent, ...expected]] of ROWS.entries()) {
    const got = await tried(server, `row${place}`, before, sent)
    t.diagnostic(`${number} ${what}: ${got}`)
    assert.ok(expected.includes(got), `${number} ${what}: ${got}, not ${expected.join(' or ')}`)
    await beside.edits()
  }
})

test('79: an operation against thousands of others is refused in time, and nobody waits for it', async t => {
  const server = await startServer(t)
  const beside = await bystander(server)
  const wire = await openWire(server)
  const place = { c: 'blow', d: 'up' }
  const long = many(5_000, i => ({ p: ['list', i], li: i }))
  await ask(wire, { ...place, ...create('json0', { list: [] }), seq: 1 })
  await ask(wire, { ...place, ...op(long), seq: 2 })
  const answer = ask(wire, { ...place, ...op(long, 1), seq: 3 })
  await beside.edits()
  assert.equal((await answer).error?.code, UNFIT)
  assert.equal((await log(server, place.c, place.d)).length, 2)
})

test('80: what is done to a document that was removed meanwhile is refused', async t => {
  const server = await startServer(t)
  const wire = await openWire(server)
  const place = { c: 'gone', d: 'one' }
  await ask(wire, { ...place, ...JSON0, seq: 1 })
  await ask(wire, { ...place, a: 'op', v: 1, del: true, seq: 2 })
  assert.equal((await ask(wire, { ...place, ...op(add), seq: 3 })).error.code, 'ERR_DOC_WAS_DELETED')
  assert.equal((await ask(wire, { ...place, ...op(add, 2), seq: 4 })).error.code, 'ERR_DOC_DOES_NOT_EXIST')
  assert.equal((await ask(wire, { ...place, ...create('json0', 1), v: 2, seq: 5 })).error, undefined)
})

// What comes back when something is sent: the code of a refusal, or that it was taken, or that the socket was closed.
async function tried (server, id, before, sent) {
  const wire = await openWire(server)
  const place = { c: 'bad', d: id }
  if (before) assert.equal((await ask(wire, { ...place, ...before, seq: 1 })).error, undefined)
  const closed = new Promise(resolve => wire.socket.on('close', () => resolve({ closed: true })))
  const answer = await Promise.race([closed, ask(wire, placed(sent, place))])
  if (answer.closed) return CLOSED
  if (!answer.error) return TAKEN
  assert.match(answer.error.message, /\S/)
  if (before) await untouched(server, place)
  wire.close()
  return answer.error.code
}

function placed (sent, place) {
  if (typeof sent === 'string') return sent.replace('"c":"@","d":"@"', `"c":"bad","d":"${place.d}"`)
  return Buffer.isBuffer(sent) ? sent : { ...place, seq: 9, ...sent }
}

async function untouched (server, { c, d }) {
  assert.equal((await log(server, c, d)).length, 1, 'what was refused is in the log')
}

async function ask (wire, message) {
  wire.say(message)
  for (;;) {
    const answer = await wire.hear()
    if (answer.error || !('op' in answer || 'create' in answer)) return answer
  }
}

// Somebody who edits a document of their own.
async function bystander (server) {
  const wire = await openWire(server)
  const place = { c: 'beside', d: 'one' }
  let v = 0
  await ask(wire, { ...place, ...create('text', ''), seq: ++v })
  return {
    edits: async () => assert.equal((await ask(wire, { ...place, ...op(['x'], v), seq: ++v })).error, undefined)
  }
}
