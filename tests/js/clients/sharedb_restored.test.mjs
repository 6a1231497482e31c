// A store that has lost the end of what it had acknowledged, as one has that was restored from a copy. Clients that have seen
// more come back to what there is and go on from there, and are told so.
import assert from 'node:assert/strict'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join as path } from 'node:path'
import { test } from 'node:test'
import { agreed } from '../sharedb/ordered.mjs'
import { join } from '../sharedb/person.mjs'
import { startServer } from './server.mjs'
import { until } from './until.mjs'

const at = server => `${server.url}/sharedb/default`

const edits = {
  json0: { data: { n: 0 }, op: [{ p: ['n'], na: 1 }] },
  'rich-text': { data: [{ insert: 'ab' }], op: [{ insert: '.' }] },
  'text-unicode': { data: 'ab', op: ['.'] }
}

for (const [type, { data, op }] of Object.entries(edits)) {
  test(`${type}: who has seen what the store has lost goes on with what there is`, async t => {
    const server = await startServer(t)
    const people = [1, 2, 3].map(() => join(t, at(server), 'lost', 'd'))
    const [idle, busy, visitor] = people
    await idle.create(data, type)
    for (const person of [idle, busy]) await person.subscribe()
    await visitor.fetch()
    await loses(server, idle, op)
    await visitor.fetch()
    const seen = visitor.doc.version
    for (const person of people) person.goOffline()
    busy.edit(op)
    busy.edit(op)
    await server.restore()
    for (const person of people) person.goOnline()
    await until('the others are where the store is', () => [idle, busy].every(person => person.doc.version === 2))
    assert.deepEqual([seen, visitor.doc.version], [5, 5])
    visitor.edit(op)
    await until('the visitor is refused', () => visitor.errors.length > 0)
    assert.equal(visitor.errors[0].code, 'ERR_OP_VERSION_NEWER_THAN_CURRENT_SNAPSHOT')
    await visitor.fetch()
    // Of a type whose operations can not be inverted it lets go of everything when it is refused.
    const told = type === 'rich-text' ? 1 : 2
    await until('and is told that it is where the store is', () => visitor.doc.version === 2 && visitor.errors.length === told)
    for (const person of people) {
      await until('it is told', () => person.errors.length > 0)
      person.errors.length = 0
    }
    await agreed(server, people)
    // Up to where they were, and beyond.
    await visitor.subscribe()
    for (let round = 0; round < 3; round++) {
      for (const person of people) {
        person.edit(op)
        await person.settled()
      }
    }
    await until('all are told', () => people.every(person => person.doc.version === 11))
    assert.deepEqual(people.map(person => person.errors), [[], [], []])
    await agreed(server, people)
  })
}

// Has operations made of which the store keeps only the first once it is restored.
async function loses (server, person, op) {
  person.edit(op)
  await person.settled()
  await server.end('SIGTERM')
  const copy = await mkdtemp(path(tmpdir(), 'quire-copy-'))
  await cp(server.folder, copy, { recursive: true })
  server.restore = async () => {
    await server.end('SIGTERM')
    await rm(server.folder, { recursive: true })
    await cp(copy, server.folder, { recursive: true })
    await rm(copy, { recursive: true })
    await server.start()
  }
  await server.start()
  await until('it is back', () => person.connection.state === 'connected')
  for (let n = 0; n < 3; n++) {
    person.edit(op)
    await person.settled()
  }
}
