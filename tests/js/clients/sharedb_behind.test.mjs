// Clients that were away for so long that they begin anew: what they had on its way is either in the document or reported, never
// both, and they hold what the others hold.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { agreed } from '../sharedb/ordered.mjs'
import { join } from '../sharedb/person.mjs'
import { startServer } from './server.mjs'
import { until } from './until.mjs'

const at = server => `${server.url}/sharedb/default`
/** Operations that nobody is sent who is further behind. */
const REACH = 10_000
const BATCH = 1_000

const edits = {
  json0: { data: { n: 0, text: '' }, mine: [{ p: ['text', 0], si: 'mine' }], others: [{ p: ['n'], na: 1 }] },
  'rich-text': { data: [{ insert: 'ab' }], mine: [{ insert: 'mine' }], others: [{ insert: '.' }] }
}

for (const [type, { data, mine, others }] of Object.entries(edits)) {
  test(`${type}: what was stored before somebody was away for long is acknowledged when it comes again`, async t => {
    const [server, person] = await begin(t, type, data)
    await withoutAnswer(server, person, () => person.edit(mine))
    await run(server, others, REACH + 10)
    person.goOnline()
    await person.settled()
    assert.deepEqual([person.errors, person.acked], [[], 1])
    await isLive(server, person, mine)
  })

  test(`${type}: what was not stored before somebody was away for long is reported`, async t => {
    const [server, person] = await begin(t, type, data)
    person.goOffline()
    person.edit(mine)
    await run(server, others, REACH + 10)
    person.goOnline()
    await until('it is reported', () => person.errors.length > 0)
    await person.settled()
    assert.deepEqual(person.errors.map(({ code }) => code), ['ERR_SUBMIT_TRANSFORM_OPS_NOT_FOUND'])
    assert.equal(person.acked, 0)
    await isLive(server, person, mine)
  })

  test(`${type}: what somebody does who reads so slowly that he begins anew is in the document or reported`, async t => {
    const [server, person] = await begin(t, type, data, { QUIRE_LIMITS__OUTBOX_BYTES: '128KiB' })
    const { socket } = person.connection
    for (let round = 0; round < 2; round++) {
      socket.pause()
      await run(server, others, REACH + 8_000)
      person.edit(mine)
      socket.resume()
      // All that comes while it catches up finds it somewhere else.
      for (let tick = 0; tick < 40; tick++) {
        await new Promise(resolve => setTimeout(resolve, 5))
        if (person.doc.type) person.edit(mine)
      }
      await person.settled()
    }
    await isLive(server, person, mine)
  })
}

async function begin (t, type, data, env = {}) {
  const server = await startServer(t, { env })
  const person = join(t, at(server), 'behind', 'd')
  await person.create(data, type)
  await person.subscribe()
  return [server, person]
}

// Does something that reaches the server, whose answer does not come back.
async function withoutAnswer (server, person, act) {
  const { version } = person.doc
  person.connection.socket.pause()
  act()
  await until('it is stored', async () => await index(server) > version)
  person.goOffline()
  assert.equal(person.doc.version, version)
}

async function index (server) {
  const answer = await server.document('behind/d', '/content?format=json')
  await answer.arrayBuffer()
  return Number(answer.headers.get('Quire-Index'))
}

async function run (server, op, count) {
  for (let left = count; left > 0; left -= BATCH) {
    const operations = Array(Math.min(left, BATCH)).fill({ document: 'behind/d', op })
    const answer = await fetch(`http://${server.listen}/api/v1/workspaces/default/batch`, {
      method: 'POST', body: JSON.stringify({ operations }), headers: { 'Content-Type': 'application/json' }
    })
    assert.equal(answer.status, 200, await answer.text())
  }
}

// It holds what the server holds, everything that was acknowledged is there once, and it goes on from there.
async function isLive (server, person, mine) {
  const acked = person.acked
  person.edit(mine)
  await until('it goes on', () => person.acked > acked)
  await person.settled()
  const late = join({ after () {} }, at(server), 'behind', 'd')
  await late.subscribe()
  await until('both are at one version', () => late.doc.version === person.doc.version)
  await agreed(server, [person, late])
  late.leave()
  const own = JSON.stringify(person.content).split('mine').length - 1
  assert.equal(own, person.acked, 'what was acknowledged is there, and nothing else')
}
