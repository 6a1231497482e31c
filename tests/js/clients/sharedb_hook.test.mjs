// Where an application decides who is let in to which document, a client may begin with a message that is longer than may wait
// until it is known: it is looked into for which document it is about.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { openWire } from '../sharedb/ordered.mjs'
import { join } from '../sharedb/person.mjs'
import { startApplication } from './application.mjs'

const LONG = 'x'.repeat(300_000)
const IDS = Array.from({ length: 40 }, (_, n) => `${n} ${'x'.repeat(500)}`)

test('what a client does first is let in by the application however long it is', async t => {
  const { server, asked } = await startApplication(t, 'notes/today')
  const person = join(t, `${server.url}/sharedb/default`, 'notes', 'today')
  await person.create({ text: LONG }, 'json0')
  assert.equal(person.content.text.length, LONG.length)
  assert.deepEqual(asked, ['notes/today'])
  person.goOffline()
  person.edit([{ p: ['text', 0], si: LONG }])
  person.goOnline()
  await person.settled()
  assert.deepEqual([person.errors, person.acked], [[], 1])
  assert.deepEqual(asked, ['notes/today', 'notes/today'])
})

test('a first question about very many documents is let in by the first of them', async t => {
  const { server, asked } = await startApplication(t, 'notes/today')
  for (const ids of [['today', ...IDS], { today: 0, ...Object.fromEntries(IDS.map(id => [id, 0])) }]) {
    asked.length = 0
    const wire = await openWire(server)
    wire.say({ a: 'bs', c: 'notes', b: ids })
    const answers = [await wire.hear()]
    if (!Array.isArray(ids)) answers.push(await wire.hear())
    const data = answers.at(-1).data
    assert.equal(IDS.filter(id => data[id].error.code === 'ERR_UNAUTHORIZED').length, IDS.length)
    assert.deepEqual(answers[0].data?.today ?? answers[0].b, Array.isArray(ids) ? { v: 0, type: null } : ['today'])
    assert.deepEqual(asked.toSorted(), ['today', ...IDS].map(id => `notes/${id}`).toSorted())
    wire.close()
  }
})

test('what is too long to wait and is for nobody, or for nothing, closes the connection', async t => {
  const { server, asked } = await startApplication(t, 'notes/today')
  const long = { a: 'op', c: 'notes', d: 'secret', v: null, seq: 1, create: { type: 'json0', data: LONG } }
  const { a, c, d, ...rest } = long
  for (const [message, code, about] of [
    [long, 4401, ['notes/secret']],
    [{ ...rest, a, c, d }, 1013, []],
    [{ a: 'op', c: 'notes', d: 'x'.repeat(5000), ...rest }, 1013, []],
    [{ a: 'bf', c: 'notes', b: IDS }, 4401, [`notes/${IDS[0]}`]],
    [{ a: 'bf', b: IDS, c: 'notes' }, 1013, []],
    [{ a: 'bf', c: 'notes', b: [7, ...IDS] }, 1013, []]
  ]) {
    asked.length = 0
    const wire = await openWire(server)
    const closed = once(wire.socket, 'close')
    wire.say(message)
    assert.deepEqual([(await closed)[0], asked], [code, about], JSON.stringify(message).slice(0, 40))
  }
})
