// The examples of the provider's own README, run as they are printed, each in two processes. The addresses that they print
// lead to the server of the test.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { startServer } from './server.mjs'
import { until } from './until.mjs'

const HERE = fileURLToPath(new URL('..', import.meta.url))
const README = new URL('../node_modules/@hocuspocus/provider/README.md', import.meta.url)

// From version 3 on, a provider on a shared socket does nothing until it is attached, which the last example leaves out.
for (const [heading, document, name, provider] of [
  ['## Usage', 'ydoc', 'example-document', '@hocuspocus/provider'],
  ['### Authenticating', 'ydoc', 'example-document', '@hocuspocus/provider'],
  ['### Sharing a socket across documents', 'doc2.document', 'doc-2', 'hocuspocus-provider-2']
]) {
  test(`two copies of "${heading}" sync`, async t => {
    const server = await startServer(t)
    const example = (await printed(heading)).replaceAll('@hocuspocus/provider', provider)
    const reader = run(t, server, `${example}
const read = ${document}.getText('text')
read.observe(() => console.log('read ' + read))
console.log('listens')`)
    await until('the first copy listens', () => reader.said.includes('listens'))
    run(t, server, `${example}\n${document}.getText('text').insert(0, 'hello from the example')`)
    await until('the words arrive', () => reader.said.includes('read hello from the example'))
    await until('the words are stored', async () => await server.text(name) === 'hello from the example')
  })
}

/** The code below a heading. What is printed without its imports goes on where the first example ends. */
async function printed (heading) {
  const readme = await readFile(README, 'utf8')
  const blocks = [...readme.matchAll(/^(##+ .*)\n[^#]*?```js\n([^]*?)```/gm)]
  const under = wanted => blocks.find(([, found]) => found === wanted)?.[2] ?? assert.fail(`the README has no "${wanted}"`)
  const code = under(heading)
  assert.match(code, /HocuspocusProvider\(/)
  if (code.includes('import')) return code
  return `${under('## Usage').match(/^import.*$/gm).join('\n')}\nconst ydoc = new Y.Doc()\n${code}`
}

/** Runs code in a process whose WebSocket takes the printed addresses for that of the server; Node 20 has none of its own. */
function run (t, server, code) {
  const addresses = String.raw`^wss?://(127\.0\.0\.1:1234|collab\.example\.com)`
  const setting = `import { WebSocket as Real } from 'ws'
globalThis.WebSocket = class extends Real {
  constructor (url) { super(url.replace(new RegExp(${JSON.stringify(addresses)}), '${server.url}')) }
}
`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', setting + code], { cwd: HERE, stdio: ['ignore', 'pipe', 'inherit'] })
  const copy = { said: '' }
  child.stdout.on('data', chunk => { copy.said += chunk })
  t.after(() => child.kill())
  return copy
}
