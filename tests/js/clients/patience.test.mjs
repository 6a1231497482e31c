// Who stays and who goes: the client's watchdog of 30 s is kept calm, and a permanent close code keeps a client away.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allSynced, converged, join } from './people.mjs'
import { startServer } from './server.mjs'
import { until } from './until.mjs'

const WATCHDOG_MS = 30_000

test('an idle client stays connected beyond its watchdog', async t => {
  const server = await startServer(t)
  const idle = join(t, server, 'idle')
  // Without a state of its own the client has nothing to renew: then only the server speaks.
  idle.awareness.setLocalState(null)
  await allSynced([idle])
  const began = Date.now()
  await until('the first half is over', () => Date.now() - began > WATCHDOG_MS * 0.6)
  await until('the watchdog would have barked', () => Date.now() - began > WATCHDOG_MS * 1.2)
  assert.deepEqual(idle.closes, [], 'the connection was closed')
  assert.ok(idle.provider.wsconnected && idle.provider.synced)
  idle.append('still here')
  assert.equal(await converged(server, 'idle', [idle]), 'still here')
})

test('a client of a deleted document stops, and cannot bring it back', async t => {
  const server = await startServer(t)
  const person = join(t, server, 'gone')
  await allSynced([person])
  person.append('to be deleted')
  await converged(server, 'gone', [person])
  const closed = new Promise(resolve => person.provider.once('closed', resolve))
  assert.equal((await server.document('gone', '', { method: 'DELETE' })).status, 204)
  assert.deepEqual(await closed, { code: 4404, reason: 'The document was deleted.' })
  assert.equal(person.provider.shouldConnect, false, 'it does not try again')

  person.append(' and again')
  person.provider.connect()
  await until('it is turned away once more', () => person.closes.length === 2)
  assert.deepEqual(person.closes, [4404, 4404])
  assert.equal((await server.document('gone')).status, 410)
})
