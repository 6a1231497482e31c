// What was acknowledged to a ShareDB client is there exactly once, whatever became of the server: it is killed at each
// acknowledgement and while operations are on their way, and told again what it may or may not have stored.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { randomDocument, randomOperation } from '../ot/random.mjs'
import { agreed, log, openWire, replayed } from '../sharedb/ordered.mjs'
import { join } from '../sharedb/person.mjs'
import { seeded } from '../sharedb/seed.mjs'
import { startServer } from './server.mjs'
import { until } from './until.mjs'

const TYPES = ['json0', 'rich-text', 'text', 'text-unicode']
const PLACE = { c: 'kept', d: 'one' }

test('an acknowledged operation is there once after kill -9, and is acknowledged again with its version', async t => {
  const random = seeded(t)
  random.form = random.below(4)
  const server = await startServer(t)
  let wire = await openWire(server)
  const { id } = wire
  const said = []
  for (let seq = 1; seq <= 8; seq++) {
    const message = { a: 'op', ...PLACE, v: seq - 1, seq, src: id, x: {} }
    if (seq === 1) message.create = { type: 'rich-text', data: randomDocument('rich-text', random) }
    else message.op = { ops: [{ insert: `${seq};` }] }
    wire.say(message)
    const ack = await heard(wire, 'op')
    assert.deepEqual([ack.error, ack.v, ack.seq], [undefined, seq - 1, seq])
    await server.end('SIGKILL')
    said.push(message)
    await server.start()
    wire = await openWire(server, { id })
    await expectLog(server, said)
    for (const again of said) await expectAck(wire, again)
    await expectRefused(wire, { ...said.at(-1), v: seq, create: undefined, op: { ops: [{ insert: 'other' }] } })
    await expectLog(server, said)
  }
})

for (const type of TYPES) {
  test(`nothing of ${type} is lost or doubled when the server is killed while people type`, async t => {
    const random = seeded(t)
    random.form = random.below(4)
    const server = await startServer(t)
    const people = [1, 2, 3].map(() => join(t, `${server.url}/sharedb/default`, 'killed', type))
    await people[0].create(randomDocument(type, random), type)
    for (const person of people) await person.subscribe()
    for (let round = 0; round < 4; round++) {
      const acked = people.reduce((sum, person) => sum + person.acked, 0)
      for (const person of people) typeOn(person, type, random)
      const enough = acked + random.below(6)
      await until('some are acknowledged', () => people.reduce((sum, person) => sum + person.acked, 0) >= enough)
      await server.end('SIGKILL')
      for (const person of people) typeOn(person, type, random)
      await server.start()
    }
    for (const person of people) await person.settled()
    for (const person of people) await person.fetch()
    assert.deepEqual(people.flatMap(person => person.errors.map(error => error.code)).filter(code => code !== 'ERR_OT_OP_NOT_APPLIED'), [])
    await agreed(server, people)
    await replayed(server, people[0])
  })
}

function typeOn (person, type, random) {
  for (let count = 0; count < 3; count++) {
    person.doc.preventCompose = random.chance(0.7)
    if (person.doc.type) person.edit(randomOperation(type, random, person.content))
  }
}

async function expectLog (server, said) {
  const ops = await log(server, PLACE.c, PLACE.d)
  assert.deepEqual(ops.map(({ src, seq, v }) => ({ src, seq, v })), said.map(({ src, seq, v }) => ({ src, seq, v })))
}

async function expectAck (wire, message) {
  wire.say(message)
  const { v, seq, src, error } = await answerTo(wire, message)
  assert.deepEqual({ v, seq, src, error }, { v: message.v, seq: message.seq, src: message.src, error: undefined })
}

async function expectRefused (wire, message) {
  wire.say(message)
  const { error } = await answerTo(wire, message)
  assert.ok(error, 'an operation under the name of another one was acknowledged')
}

// Missed operations may come before the answer; they have another number or come with what they did.
async function answerTo (wire, message) {
  for (;;) {
    const answer = await heard(wire, 'op')
    if (answer.seq === message.seq && (answer.error || (!answer.op && !answer.create))) return answer
  }
}

async function heard (wire, a) {
  for (;;) {
    const message = await wire.hear()
    if (message.a === a) return message
  }
}
