// Runs ShareDB's own tests of its client against a server, and prints what came of each as one line of JSON:
//
//   QUIRE_SUITE_URL=ws://127.0.0.1:1234 node sharedb/run.mjs [PATTERN]
//
// `state` is passed, failed or skipped; `why` is the error, or what the test needs from inside the server.
import { createRequire } from 'node:module'
import Mocha from 'mocha'

const require = createRequire(import.meta.url)
const { test } = require('./load.cjs')
const { closeAll } = require('./backend.cjs')
const { reason, watch } = require('./needs.cjs')

const FILES = [
  'setup', 'client/connection', 'client/doc', 'client/pending', 'client/presence/doc-presence', 'client/presence/doc-presence-emitter',
  'client/presence/presence', 'client/snapshot-timestamp-request', 'client/snapshot-version-request'
]
const LEFT_OUT = new Set(require('./known.json').filter(group => group.leftOut).flatMap(({ tests }) => tests))
const PATIENCE_MS = 5_000

const mocha = new Mocha({ reporter: class {}, timeout: PATIENCE_MS, grep: process.argv[2] && new RegExp(process.argv[2]) })
for (const name of FILES) mocha.addFile(test(name))
mocha.addFile(require.resolve('./suites.cjs'))
mocha.suite.afterEach(closeAll)

// A test that goes on after it failed spoils those after it.
function leaveOut (suite) {
  for (const test of suite.tests) test.pending ||= LEFT_OUT.has(test.fullTitle())
  suite.suites.forEach(leaveOut)
}

const names = new Map()
mocha.loadFiles()
leaveOut(mocha.suite)
mocha.lazyLoadFiles(true)
const runner = mocha.run(() => process.exit(0))
watch(runner)
runner.on('test end', test => console.log(JSON.stringify({ name: unique(test.fullTitle()), ...outcome(test) })))
runner.on('fail', (test, error) => {
  test.err ??= error
  // Then the tests that it prepares are not run at all. What tidies up after a skipped test finds nothing.
  if (test.type === 'hook' && !reason(test.ctx.currentTest)) console.log(JSON.stringify({ name: test.fullTitle(), state: 'failed', why: error.message }))
})

function outcome (test) {
  if (test.isPending()) return { state: 'skipped', why: reason(test) ?? 'left out' }
  return test.state === 'passed' ? { state: 'passed' } : { state: 'failed', why: String(test.err?.message ?? test.state) }
}

// Some titles are there twice.
function unique (title) {
  const count = (names.get(title) ?? 0) + 1
  names.set(title, count)
  return count === 1 ? title : `${title} (${count})`
}
