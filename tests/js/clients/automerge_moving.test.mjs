// Documents of automerge-repo that move: what an unmodified repository has kept in its folder is taken over by the command line, files
// go in and out over the API, and stock clients hold the same as before.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import * as Automerge from '@automerge/automerge'
import { Repo, generateAutomergeUrl, parseAutomergeUrl } from '@automerge/automerge-repo'
import { WebSocketClientAdapter } from '@automerge/automerge-repo-network-websocket'
import { NodeFSStorageAdapter } from '@automerge/automerge-repo-storage-nodefs'
import { BINARY, startServer } from './server.mjs'
import { until } from './until.mjs'

const headsOf = doc => [...Automerge.getHeads(doc)].sort()

const idOf = handle => parseAutomergeUrl(handle.url).documentId

const folderFor = async t => {
  const folder = await mkdtemp(join(tmpdir(), 'quire-moving-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** A repository that keeps what it has in a folder, or asks a server, or both. */
const repository = (t, { folder, server } = {}) => {
  const repo = new Repo({ storage: folder && new NodeFSStorageAdapter(folder), network: [] })
  let adapter = server && new WebSocketClientAdapter(`${server.url}/automerge/default`, 100)
  if (adapter) repo.networkSubsystem.addNetworkAdapter(adapter)
  const leave = () => {
    if (adapter) repo.networkSubsystem.removeNetworkAdapter(adapter)
    adapter = null
  }
  server?.sees({ leave })
  t.after(leave)
  return repo
}

/** What `quire import` says of each document, by name, and its exit code. */
const quireImport = (...args) => new Promise((resolve, reject) => {
  execFile(BINARY, ['import', ...args, '-o', 'json'], (error, stdout, stderr) => {
    if (error && typeof error.code !== 'number') return reject(error)
    if (stdout === '') return reject(new Error(stderr))
    const items = Object.fromEntries(JSON.parse(stdout).map(item => [item.document, item]))
    resolve({ items, code: error?.code ?? 0 })
  })
})

const outcomes = items => new Set(Object.values(items).map(item => item.outcome))

const filesOf = async folder => (await readdir(folder, { recursive: true })).filter(name => /\/(snapshot|incremental|sync-state)\/./.test(name))

test('a folder of a stock repository is taken over, and clients get from the server what was in it', async t => {
  const [theirs, ours] = [await folderFor(t), await folderFor(t)]
  const other = await startServer(t)
  const repo = repository(t, { folder: theirs, server: other })
  const handles = []
  for (let number = 0; number < 12; number++) {
    // What is less than 1 KiB in a folder is always written anew as a state, so it is something that can not be packed.
    const handle = repo.create({ number, text: randomBytes(3000).toString('base64'), list: [] })
    // Saved after each, so that some lie in their folder as a state and what came later.
    for (let step = 0; step < number; step++) {
      handle.change(doc => { doc.list.push(step); Automerge.splice(doc, ['text'], step, 0, 'é🦊') })
      await repo.flush()
    }
    handles.push(handle)
  }
  await repo.flush()
  await until('what the server has is noted', async () => (await filesOf(theirs)).some(name => name.includes('/sync-state/')))
  const files = await filesOf(theirs)
  for (const part of ['snapshot', 'incremental']) assert.ok(files.some(name => name.includes(`/${part}/`)), part)

  const first = await quireImport('automerge-repo', theirs, '--data-dir', ours)
  assert.equal(first.code, 0, JSON.stringify(first.items))
  assert.deepEqual(Object.keys(first.items).sort(), handles.map(idOf).sort())
  assert.deepEqual(outcomes(first.items), new Set(['imported']))
  const again = await quireImport('automerge-repo', theirs, '--data-dir', ours)
  assert.deepEqual(outcomes(again.items), new Set(['exists']))

  const server = await startServer(t, { folder: ours })
  const bob = repository(t, { server })
  for (const handle of handles) {
    const found = await bob.find(handle.url)
    assert.deepEqual(headsOf(found.doc()), headsOf(handle.doc()))
    assert.deepEqual(Automerge.toJS(found.doc()), Automerge.toJS(handle.doc()))
    const history = await (await server.document(idOf(handle), '/changes')).json()
    assert.deepEqual(history.items.map(item => [item.author, item.kind]), [['import', 'automerge-changes']])
  }
  // What is written there afterwards stands beside what comes later from the folder.
  const [edited] = handles
  const found = await bob.find(edited.url)
  found.change(doc => { doc.list.push('here') })
  await until('it is stored', async () => (await (await server.document(idOf(edited))).json()).changes === 2)
  await server.end('SIGTERM')
  edited.change(doc => { doc.list.push('there') })
  await repo.flush()
  const later = await quireImport('automerge-repo', theirs, '--data-dir', ours)
  assert.equal(later.items[idOf(edited)].outcome, 'added')
  assert.equal(Object.values(later.items).filter(item => item.outcome === 'exists').length, 11)
  await server.start()
  const late = await repository(t, { server }).find(edited.url)
  assert.deepEqual(Automerge.toJS(late.doc()).list.toSorted(), ['here', 'there'])
})

test('a folder with a file that is cut off is taken over without it, and the file is named', async t => {
  const [theirs, ours] = [await folderFor(t), await folderFor(t)]
  const repo = repository(t, { folder: theirs })
  const handles = ['a', 'b'].map(name => repo.create({ name }))
  await repo.flush()
  const cut = (await filesOf(theirs)).find(name => name.replaceAll('/', '').startsWith(idOf(handles[0])))
  const bytes = await readFile(join(theirs, cut))
  await writeFile(join(theirs, cut), bytes.subarray(0, bytes.length - 5))
  const { items, code } = await quireImport('automerge-repo', theirs, '--data-dir', ours)
  assert.equal(code, 1)
  assert.equal(items[idOf(handles[0])].outcome, 'refused')
  assert.match(items[idOf(handles[0])].reason, /^snapshot\/[0-9a-f]{64}: /)
  assert.equal(items[idOf(handles[1])].outcome, 'imported')
})

test('what is sent as a file is shown to who has the document open, and had again as a file at any point', async t => {
  const server = await startServer(t)
  const url = generateAutomergeUrl()
  const { documentId } = parseAutomergeUrl(url)
  const send = async (file, name = url) => {
    const headers = { 'content-type': 'application/octet-stream' }
    return await server.document(name, '/changes', { method: 'POST', headers, body: file })
  }
  const file = async place => {
    const answer = await server.document(documentId, `/content?format=binary${place}`)
    return Automerge.load(new Uint8Array(await answer.arrayBuffer()))
  }
  const begun = Automerge.from({ text: 'hello', list: ['ann'] })
  const answer = await send(Automerge.save(begun))
  assert.equal(answer.status, 200)
  assert.deepEqual(await answer.json(), { changes: 1, news: true, heads: headsOf(begun) })
  const open = await repository(t, { server }).find(url)
  assert.deepEqual(headsOf(open.doc()), headsOf(begun))

  const changed = Automerge.change(Automerge.clone(begun), doc => { doc.list.push('bob') })
  assert.equal((await send(Automerge.saveSince(changed, Automerge.getHeads(begun)), documentId)).status, 200)
  await until('it is shown', () => open.doc().list.length === 2)
  open.change(doc => { Automerge.splice(doc, ['text'], 5, 0, ' there') })
  await until('it is stored', async () => (await (await server.document(documentId)).json()).changes === 3)
  assert.deepEqual(headsOf(await file('')), headsOf(open.doc()))
  assert.deepEqual(headsOf(await file('&index=1')), headsOf(begun))
  assert.deepEqual(headsOf(await file('&index=2')), headsOf(changed))
  const again = await (await send(Automerge.save(open.doc()))).json()
  assert.deepEqual([again.changes, again.news], [3, false])
})
