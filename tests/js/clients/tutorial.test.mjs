// The tutorial of y-websocket's own README, run word for word but for the address: two copies of it, in two processes.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { startServer } from './server.mjs'
import { until } from './until.mjs'

const HERE = fileURLToPath(new URL('..', import.meta.url))
const README = new URL('../node_modules/y-websocket/README.md', import.meta.url)

test('two copies of the public tutorial sync', async t => {
  const server = await startServer(t)
  const code = await tutorial(server.url)
  const reader = run(t, code + "doc.getText('text').observe(() => console.log(`read ${doc.getText('text')}`))")
  await until('the first copy is connected', () => isConnected(reader))
  const writer = run(t, code + "doc.getText('text').insert(0, 'hello from the tutorial')")
  await until('the second copy is connected', () => isConnected(writer))
  await until('the words arrive', () => reader.said.includes('read hello from the tutorial'))
  await until('the words are stored', async () => await server.text('my-roomname') === 'hello from the tutorial')
})

/** The client code of the README. Node 20 has no WebSocket of its own, so it is given one, as the README says. */
async function tutorial (url) {
  const readme = await readFile(README, 'utf8')
  const [, code] = readme.match(/### Client Code:\s+```js\n([^]*?)```/)
  const address = "'ws://localhost:1234'"
  assert.ok(code.includes(address), 'the tutorial connects to port 1234')
  return `import { WebSocket } from 'ws'\nglobalThis.WebSocket = WebSocket\n${code.replace(address, `'${url}'`)}\n`
}

function isConnected (copy) {
  return copy.said.split('\n').includes('connected')
}

function run (t, code) {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', code], { cwd: HERE, stdio: ['ignore', 'pipe', 'inherit'] })
  const copy = { said: '' }
  child.stdout.on('data', chunk => { copy.said += chunk })
  t.after(() => child.kill())
  return copy
}
