// ShareDB's own tests of its client, over a WebSocket: which of them pass with ShareDB's own server is what they are measured by.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { counts, PROJECTIONS, runSuite, startPeer, surprises } from '../sharedb/suite.mjs'
import { startServer } from './server.mjs'

// Some of them race with themselves over a socket: what goes wrong every time is what counts.
test("ShareDB's own tests of its client against ShareDB's own server", async t => {
  const url = await startPeer(t)
  let wrong
  for (let run = 0; run < RUNS_MAX && wrong?.length !== 0; run++) {
    const results = await runSuite(url, { QUIRE_SUITE_SORTS: 'true' })
    t.diagnostic(counts(results))
    const surprised = surprises(results, 'sharedb')
    wrong = surprised.filter(surprise => wrong?.includes(surprise) ?? true)
  }
  assert.deepEqual(wrong, [])
})

test("ShareDB's own tests of its client against Quire", async t => {
  const server = await startServer(t, { env: { QUIRE_SHAREDB__PROJECTIONS: PROJECTIONS } })
  const results = await runSuite(server.url)
  t.diagnostic(counts(results))
  assert.deepEqual(surprises(results, 'quire'), [])
})

const RUNS_MAX = 3
