// People edit one document with the unmodified ShareDB client over a network that is late, says operations twice and cuts
// sockets; some go offline meanwhile. In the end everybody holds the same, and so do the server and a replay of its log.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { randomDocument, randomOperation } from '../ot/random.mjs'
import { join } from '../sharedb/person.mjs'
import { startProxy } from '../sharedb/proxy.mjs'
import { agreed, replayed } from '../sharedb/ordered.mjs'
import { seeded } from '../sharedb/seed.mjs'
import { startServer } from './server.mjs'
import { until } from './until.mjs'

const PEOPLE = 4
const ROUNDS = 40

for (const type of ['json0', 'rich-text', 'text', 'text-unicode']) {
  test(`everyone agrees on ${type} after a bad network`, async t => {
    const { random, people, server, proxy } = await together(t, type)
    await people[0].create(randomDocument(type, random), type)
    for (const person of people) person.doc.subscribe()
    await Promise.all(people.map(person => typeAway(person, type, random)))
    await settle(people, proxy)
    t.diagnostic(`${proxy.cuts} cuts, ${proxy.again} operations said again, version ${people[0].doc.version}`)
    expectOnly(people, type === 'json0' ? ['ERR_OT_OP_NOT_APPLIED'] : [])
    await agreed(server, people)
    await replayed(server, people[0])
  })
}

test('everyone agrees after a document was removed and made again while others edited it', async t => {
  const { random, people, server, proxy } = await together(t, 'json0')
  await people[0].create(randomDocument('json0', random), 'json0')
  for (const person of people) person.doc.subscribe()
  await Promise.all(people.map((person, place) => typeAway(person, 'json0', random, place < 2)))
  await settle(people, proxy)
  expectOnly(people, REMOVED)
  await agreed(server, people)
  await replayed(server, people[0])
})

// Documents that all share a network, subscribed to in bulk by their clients when they come back.
async function together (t, type) {
  const random = seeded(t)
  random.form = random.below(4)
  const server = await startServer(t)
  const proxy = await startProxy(t, server.url, random)
  const people = Array.from({ length: PEOPLE }, () => join(t, `${proxy.url}/sharedb/default`, 'chaos', type))
  return { random, server, proxy, people }
}

async function typeAway (person, type, random, mayRemove = false) {
  for (let round = 0; round < ROUNDS; round++) {
    await new Promise(resolve => setTimeout(resolve, random.below(12)))
    if (random.chance(0.03)) person.goOffline()
    else if (random.chance(0.3)) person.goOnline()
    if (random.chance(0.02)) person.cut()
    if (person.doc.type) edit(person, type, random, mayRemove)
    else if (mayRemove && person.doc.version !== null && random.chance(0.3)) person.make(randomDocument(type, random), type)
  }
  person.goOnline()
}

function edit (person, type, random, mayRemove) {
  if (mayRemove && random.chance(0.05)) return person.remove()
  if (random.chance(0.1)) person.doc.preventCompose = !person.doc.preventCompose
  person.edit(randomOperation(type, random, person.content))
}

async function settle (people, proxy) {
  proxy.calm = true
  for (const person of people) await person.settled()
  for (const person of people) await person.fetch()
  await until('all are at one version', () => new Set(people.map(person => person.doc.version)).size === 1)
}

function expectOnly (people, codes) {
  const errors = people.flatMap(person => person.errors).filter(error => !codes.includes(error.code))
  assert.deepEqual(errors.map(error => `${error.code}: ${error.message}`), [])
}

// What comes of editing a document that somebody else removes or makes.
const REMOVED = [
  'ERR_DOC_WAS_DELETED', 'ERR_DOC_ALREADY_CREATED', 'ERR_DOC_DOES_NOT_EXIST', 'ERR_OT_OP_NOT_APPLIED'
]
