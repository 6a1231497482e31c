// ShareDB's own tests of its client as one thing to run, and what is known about them: `known.json` says why some do not pass
// with a server although they need nothing from the inside of one: `fails`, or `varies` from run to run.
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const KNOWN = JSON.parse(readFileSync(new URL('./known.json', import.meta.url)))
const { projections } = createRequire(import.meta.url)('./settings.cjs')
const PATIENCE_MS = 200_000

/** The projections that the tests count on, as Quire is told of them. */
export const PROJECTIONS = Object.entries(projections).map(([name, { collection, fields }]) => `${name} = ${collection}(${fields.join(', ')})`).join('; ')

/** Runs all of them against a server, each with a workspace of its own. */
export async function runSuite (url, env = {}) {
  const options = { env: { ...process.env, ...env, QUIRE_SUITE_URL: url }, timeout: PATIENCE_MS, maxBuffer: 1 << 24 }
  const { stdout } = await promisify(execFile)(process.execPath, [here('./run.mjs')], options)
  return stdout.trim().split('\n').map(line => JSON.parse(line))
}

/** What came otherwise than `known.json` says of that server. */
export function surprises (results, server) {
  const said = results.filter(({ name, state }) => state !== 'skipped' && expected(name, server) !== 'varies')
  const wrong = said.filter(({ name, state }) => state !== expected(name, server))
  const missing = KNOWN.filter(group => group[server]).flatMap(({ tests }) => tests).filter(name => !results.some(result => result.name === name))
  return [
    ...wrong.map(({ name, state, why }) => `${state}, not ${expected(name, server)}: ${name}${why ? `: ${why}` : ''}`),
    ...missing.map(name => `there is no such test: ${name}`)
  ]
}

export function counts (results) {
  const count = state => results.filter(result => result.state === state).length
  return `${results.length} tests: ${count('passed')} passed, ${count('failed')} failed, ${count('skipped')} need the inside of a server`
}

/** ShareDB's own server in a process of its own, until the test ends. Gives its URL. */
export async function startPeer (test) {
  const peer = spawn(process.execPath, [here('./peer.mjs')], { stdio: ['ignore', 'pipe', 'inherit'] })
  test.after(() => peer.kill())
  const [port] = await once(peer.stdout, 'data')
  return `ws://127.0.0.1:${String(port).trim()}`
}

function expected (name, server) {
  const known = KNOWN.find(group => group[server] && group.tests.includes(name))
  return { undefined: 'passed', fails: 'failed', varies: 'varies' }[known?.[server]]
}

const here = path => fileURLToPath(new URL(path, import.meta.url))
