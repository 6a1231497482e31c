// A provider hangs up when it has heard nothing for 30 s. The server speaks to it in time, in a way that its version takes:
// a ping from 4.x on, and awareness of nobody before.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allOpen, allSaved, open, openSocket, VERSIONS } from './editors.mjs'
import { startServer } from './server.mjs'
import { until } from './until.mjs'

const WATCHDOG_MS = 30_000

test('idle providers stay connected beyond their watchdog', async t => {
  const server = await startServer(t)
  // With awareness a client renews its state, and hears its own news; without it only the server speaks.
  const idle = VERSIONS.map(version => open(server, 'idle', { version, awareness: null }))
  const on = openSocket(server, { version: 4 })
  const pair = ['one', 'two'].map(name => open(server, name, { on, awareness: null }))
  await allOpen([...idle, ...pair])
  const began = Date.now()
  await until('the first half is over', () => Date.now() - began > WATCHDOG_MS * 0.6)
  await until('the watchdog would have barked', () => Date.now() - began > WATCHDOG_MS * 1.25)
  for (const editor of [...idle, ...pair]) {
    assert.deepEqual(editor.on.closes, [], `the connection of version ${editor.on.version} was closed`)
    editor.append('still here;')
  }
  await allSaved([...idle, ...pair])
  assert.equal(await server.text('idle'), 'still here;'.repeat(3))
})
