// What the unmodified clients of automerge-repo are promised: they find each other's documents, end up equal whatever happens in
// between, are told of no heads that could be lost, and fall silent when nothing is new.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as Automerge from '@automerge/automerge'
import { Presence, Repo, generateAutomergeUrl, parseAutomergeUrl } from '@automerge/automerge-repo'
import { WebSocketClientAdapter } from '@automerge/automerge-repo-network-websocket'
import { startCluster } from './cluster.mjs'
import { startIssuer } from './issuer.mjs'
import { startServer } from './server.mjs'
import { until } from './until.mjs'

const RETRY_MS = 100

/** Somebody with a repository of their own, who comes and goes. */
class Person {
  constructor (test, server, name, { workspace = 'default', token } = {}) {
    this.url = `${server.url}/automerge/${workspace}${token ? `?token=${token}` : ''}`
    this.frames = 0
    this.repo = new Repo({ peerId: `${name}-${Math.random().toString(36).slice(2)}`, network: [] })
    this.goOnline()
    test.after(() => this.leave())
    server.sees(this)
  }

  goOnline () {
    this.adapter = new WebSocketClientAdapter(this.url, RETRY_MS)
    this.adapter.on('message', () => { this.frames++ })
    this.repo.networkSubsystem.addNetworkAdapter(this.adapter)
  }

  goOffline () {
    this.repo.networkSubsystem.removeNetworkAdapter(this.adapter)
    this.adapter = null
  }

  leave () {
    if (this.adapter) this.goOffline()
  }

  /** What the store of the server is called, once it has said so. */
  get storageId () {
    const peers = Object.values(this.repo.peerMetadataByPeerId ?? {})
    return peers.map(peer => peer.storageId).find(Boolean)
  }
}

/** The heads that the server says are stored are those of a document. */
const isSaved = (person, handle) => {
  const heads = handle.getSyncInfo?.(person.storageId)?.lastHeads
  return heads !== undefined && heads.length > 0 && String([...heads].sort()) === String([...handle.heads()].sort())
}

const saved = (person, handle) => until('the heads are stored', () => isSaved(person, handle))

const headsOf = handle => String([...Automerge.getHeads(handle.doc())].sort())

const equal = (...handles) => until('all have the same', () => new Set(handles.map(headsOf)).size === 1)

test('two people make, find and change a document at once, and hold the same', async t => {
  const server = await startServer(t)
  const [ann, bob] = [new Person(t, server, 'ann'), new Person(t, server, 'bob')]
  const made = ann.repo.create({ text: 'hello', list: [] })
  const found = await bob.repo.find(made.url)
  assert.equal(found.doc().text, 'hello')
  for (let i = 0; i < 50; i++) {
    made.change(doc => { doc.list.push(`ann ${i}`); Automerge.splice(doc, ['text'], 0, 0, 'a') })
    found.change(doc => { doc.list.push(`bob ${i}`); Automerge.splice(doc, ['text'], doc.text.length, 0, 'b') })
    if (i % 10 === 0) await new Promise(resolve => setTimeout(resolve, 20))
  }
  await until('both have all', () => made.doc().list.length === 100 && found.doc().list.length === 100)
  await equal(made, found)
  assert.deepEqual(Automerge.toJS(made.doc()), Automerge.toJS(found.doc()))
  const late = await new Person(t, server, 'late').repo.find(made.url)
  await equal(made, late)
})

test('people who were away, all of them, hold the same when they are back', async t => {
  const server = await startServer(t)
  const [ann, bob] = [new Person(t, server, 'ann'), new Person(t, server, 'bob')]
  const made = ann.repo.create({ list: [] })
  const found = await bob.repo.find(made.url)
  for (const person of [ann, bob]) person.goOffline()
  for (let i = 0; i < 20; i++) {
    made.change(doc => { doc.list.push(`ann ${i}`) })
    found.change(doc => { doc.list.push(`bob ${i}`) })
  }
  for (const person of [ann, bob]) person.goOnline()
  await until('both have all', () => made.doc().list.length === 40 && found.doc().list.length === 40)
  await equal(made, found)
})

test('what the server says is stored outlives its crash', async t => {
  const server = await startServer(t)
  const ann = new Person(t, server, 'ann')
  const made = ann.repo.create({ text: '' })
  for (let i = 0; i < 30; i++) made.change(doc => { Automerge.splice(doc, ['text'], doc.text.length, 0, `${i} `) })
  await saved(ann, made)
  const text = made.doc().text
  const storageId = ann.storageId
  ann.goOffline()
  await server.end('SIGKILL')
  await server.start()
  const bob = new Person(t, server, 'bob')
  const found = await bob.repo.find(made.url)
  assert.equal(found.doc().text, text)
  assert.equal(bob.storageId, storageId, 'the store is called the same')
})

test('people who stay go on when the server was away, and nothing is lost', async t => {
  const server = await startServer(t)
  const [ann, bob] = [new Person(t, server, 'ann'), new Person(t, server, 'bob')]
  const made = ann.repo.create({ list: [] })
  const found = await bob.repo.find(made.url)
  for (let round = 1; round <= 3; round++) {
    made.change(doc => { doc.list.push(`ann ${round}`) })
    // Clients of this version fail by themselves when a socket is reset, so nothing may be under way.
    await until('all is stored and told', () => isSaved(ann, made) && isSaved(bob, found) && headsOf(made) === headsOf(found))
    await server.end('SIGKILL')
    found.change(doc => { doc.list.push(`bob ${round}`) })
    await server.start()
    await until('both have all', () => made.doc().list.length === 2 * round && found.doc().list.length === 2 * round)
  }
  await until('both have all', () => made.doc().list.length === 6 && found.doc().list.length === 6)
  await equal(made, found)
})

test('a document that nobody has is unavailable, and comes when somebody brings it', async t => {
  const server = await startServer(t)
  const [ann, bob] = [new Person(t, server, 'ann'), new Person(t, server, 'bob')]
  await assert.rejects(bob.repo.find(generateAutomergeUrl()), /unavailable/)
  ann.goOffline()
  const made = ann.repo.create({ late: true })
  await assert.rejects(bob.repo.find(made.url), /unavailable/)
  ann.goOnline()
  const found = await bob.repo.find(made.url, { allowableStates: ['ready', 'unavailable'] })
  await until('it is there', () => found.isReady())
  assert.deepEqual(Automerge.toJS(found.doc()), { late: true })
})

test('what somebody broadcasts reaches the others and nobody else', async t => {
  const server = await startServer(t)
  const [ann, bob, cleo] = ['ann', 'bob', 'cleo'].map(name => new Person(t, server, name))
  const made = ann.repo.create({})
  const [found, other] = await Promise.all([bob, cleo].map(person => person.repo.find(made.url)))
  const heard = { ann: [], bob: [], cleo: [] }
  made.on('ephemeral-message', ({ message }) => heard.ann.push(message))
  found.on('ephemeral-message', ({ message, senderId }) => heard.bob.push([message, senderId]))
  other.on('ephemeral-message', ({ message }) => heard.cleo.push(message))
  for (let i = 0; i < 5; i++) made.broadcast({ at: i })
  await until('both heard all', () => heard.bob.length === 5 && heard.cleo.length === 5)
  assert.deepEqual(heard.bob.map(([message, sender]) => [message.at, sender]), [0, 1, 2, 3, 4].map(at => [at, ann.repo.peerId]))
  found.broadcast('back')
  await until('the first one hears too', () => heard.ann.length === 1)
  assert.deepEqual(heard.ann, ['back'])
})

test('whose connection ends is gone from the presence of the others at once', async t => {
  const server = await startServer(t)
  const [ann, bob] = ['ann', 'bob'].map(name => new Person(t, server, name))
  const made = ann.repo.create({})
  const handles = [made, await bob.repo.find(made.url)]
  const present = handles.map(handle => new Presence({ handle }))
  present.forEach((presence, who) => presence.start({ initialState: { who } }))
  t.after(() => present.forEach(presence => presence.stop()))
  const sees = (presence, person) => presence.getPeerStates().value[person.repo.peerId] !== undefined
  await until('they see each other', () => sees(present[0], bob) && sees(present[1], ann))
  let goodbyes = 0
  present[0].on('goodbye', () => { goodbyes++ })
  bob.goOffline()
  await until('bob is gone', () => goodbyes === 1 && !sees(present[0], bob))
})

/** Has somebody be heard no more, however many come, unless by what they show from now on. */
const stopIntroducing = handle => handle.removeAllListeners('ephemeral-message')

/** Somebody's presence in a document, until the test ends. */
const presenceOf = (test, handle) => {
  const presence = new Presence({ handle })
  test.after(() => presence.stop())
  return presence
}

/** What somebody shows, as another sees it. */
const shown = (presence, person) => presence.getPeerStates().value[person.repo.peerId]?.value

test('who comes later sees at once what the others show, and then what they show next', async t => {
  const server = await startServer(t)
  const [ann, bob, cleo] = ['ann', 'bob', 'cleo'].map(name => new Person(t, server, name))
  const made = ann.repo.create({})
  await saved(ann, made)
  const [hers, his] = [presenceOf(t, made), presenceOf(t, await bob.repo.find(made.url))]
  his.start({ initialState: { name: 'bob' } })
  hers.start({ initialState: { name: 'ann', cursor: 1 } })
  await until('they see each other', () => shown(hers, bob) && shown(his, ann))
  stopIntroducing(made)
  hers.broadcast('cursor', 2)
  await until('bob sees her move', () => shown(his, ann).cursor === 2)
  const late = presenceOf(t, await cleo.repo.find(made.url))
  late.start({ initialState: { name: 'cleo' } })
  await until('cleo sees her', () => shown(late, ann))
  assert.deepEqual(shown(late, ann), { name: 'ann', cursor: 2 })
  hers.broadcast('cursor', 3)
  await until('cleo sees her move', () => shown(late, ann).cursor === 3)
  ann.goOffline()
  await until('she is gone', () => !shown(late, ann) && !shown(his, ann))
  const again = presenceOf(t, await new Person(t, server, 'dora').repo.find(made.url))
  again.start({ initialState: { name: 'dora' } })
  await until('dora sees the others', () => shown(again, bob) && shown(again, cleo))
  assert.equal(shown(again, ann), undefined)
})

test('who was cut off is seen again by the others, and sees them', async t => {
  const server = await startServer(t)
  const [ann, bob] = ['ann', 'bob'].map(name => new Person(t, server, name))
  const made = ann.repo.create({})
  const handles = [made, await bob.repo.find(made.url)]
  const present = handles.map(handle => new Presence({ handle }))
  present.forEach((presence, who) => presence.start({ initialState: { who }, heartbeatMs: 1_000 }))
  t.after(() => present.forEach(presence => presence.stop()))
  const sees = (presence, person) => presence.getPeerStates().value[person.repo.peerId] !== undefined
  await until('they see each other', () => sees(present[0], bob) && sees(present[1], ann))
  bob.goOffline()
  await until('bob is gone', () => !sees(present[0], bob))
  bob.goOnline()
  await until('they see each other again', () => sees(present[0], bob) && sees(present[1], ann))
})

test('who has nothing is sent the document as it is kept, and what came since', async t => {
  const server = await startServer(t, { env: { QUIRE_DOCUMENT__SNAPSHOT_CHANGES: '10' } })
  const ann = new Person(t, server, 'ann')
  const made = ann.repo.create({ text: '' })
  const type = () => made.change(doc => { Automerge.splice(doc, ['text'], doc.text.length, 0, 'x') })
  const comes = async name => {
    const person = new Person(t, server, name)
    const versions = new Set()
    person.adapter.on('message', ({ type, data }) => { if (type === 'sync') versions.add(data[0]) })
    const found = await person.repo.find(made.url)
    await equal(made, found)
    assert.equal(found.doc().text, made.doc().text)
    return { found, person, isWhole: versions.has(0x43) }
  }
  for (let i = 0; i < 30; i++) {
    type()
    await saved(ann, made)
  }
  const { found, person } = await until('somebody is sent it', async () => {
    const newcomer = await comes('bob')
    return newcomer.isWhole && newcomer
  })
  for (let i = 0; i < 5; i++) type()
  found.change(doc => { Automerge.splice(doc, ['text'], 0, 0, 'bob ') })
  await equal(made, found)
  await until('all of it is stored', () => isSaved(ann, made) && isSaved(person, found))
  assert.ok((await comes('cleo')).isWhole)
})

test('twenty people type, and then it is silent', async t => {
  const server = await startServer(t)
  const people = Array.from({ length: 20 }, (_, i) => new Person(t, server, `p${i}`))
  const made = people[0].repo.create({ list: [] })
  const handles = [made, ...await Promise.all(people.slice(1).map(person => person.repo.find(made.url)))]
  for (let i = 0; i < 5; i++) {
    handles.forEach((handle, who) => handle.change(doc => { doc.list.push(`${who} ${i}`) }))
    await new Promise(resolve => setTimeout(resolve, 30))
  }
  await until('all have all', () => handles.every(handle => handle.doc().list.length === 100))
  await equal(...handles)
  const frames = () => people.reduce((sum, person) => sum + person.frames, 0)
  let [last, since] = [frames(), Date.now()]
  await until('nobody is told anything for a second', () => {
    if (frames() !== last) [last, since] = [frames(), Date.now()]
    return Date.now() - since >= 1_000
  })
})

test('a document is named by its id, and what another workspace has is not here', async t => {
  const server = await startServer(t)
  const [ann, bob] = [new Person(t, server, 'ann'), new Person(t, server, 'bob', { workspace: 'other' })]
  const made = ann.repo.create({ text: 'here' })
  await saved(ann, made)
  const { documentId } = parseAutomergeUrl(made.url)
  const answer = await server.document(documentId)
  assert.equal((await answer.json()).kind, 'automerge')
  const content = await server.document(documentId, '/content?format=json')
  assert.deepEqual(await content.json(), { text: 'here' })
  const file = await server.document(documentId, '/content?format=binary')
  const loaded = Automerge.load(new Uint8Array(await file.arrayBuffer()))
  assert.deepEqual(Automerge.toJS(loaded), { text: 'here' })
  assert.deepEqual(Automerge.getHeads(loaded), Automerge.getHeads(made.doc()))
  const history = await (await server.document(documentId, '/changes')).json()
  assert.equal(history.items[0].kind, 'automerge-changes')
  await assert.rejects(bob.repo.find(made.url), /unavailable/)
})

test('who may only read is shown what others write and keeps his own, and who may not read hears that there is nothing', async t => {
  const issuer = await startIssuer(t)
  const server = await startServer(t, { env: issuer.env })
  const ann = new Person(t, server, 'ann', { token: issuer.token('ann', ['read', 'write']) })
  const ben = new Person(t, server, 'ben', { token: issuer.token('ben', ['read']) })
  const eve = new Person(t, server, 'eve', { token: issuer.token('eve', ['read'], { document: 'other' }) })
  const made = ann.repo.create({ list: ['first'] })
  const found = await ben.repo.find(made.url)
  found.change(doc => { doc.list.push('not for you') })
  for (let i = 0; i < 5; i++) made.change(doc => { doc.list.push(`ann ${i}`) })
  await until('ben is shown it', () => found.doc().list.length === 7)
  await saved(ann, made)
  const late = await new Person(t, server, 'late', { token: issuer.token('late', ['read']) }).repo.find(made.url)
  assert.deepEqual(Automerge.toJS(late.doc()), Automerge.toJS(made.doc()))
  assert.equal(made.doc().list.length, 6)
  await assert.rejects(eve.repo.find(made.url), /unavailable/)
})

test('people at two nodes hold the same, see what the others show, and the store is called the same at both', async t => {
  const cluster = await startCluster(t)
  const [north, south] = await Promise.all([0, 1].map(node => cluster.before(node)))
  const [ann, bob] = [new Person(t, north, 'ann'), new Person(t, south, 'bob')]
  const made = ann.repo.create({ list: [] })
  await saved(ann, made)
  const found = await bob.repo.find(made.url)
  for (let i = 0; i < 20; i++) {
    made.change(doc => { doc.list.push(`ann ${i}`) })
    found.change(doc => { doc.list.push(`bob ${i}`) })
  }
  await until('both have all', () => made.doc().list.length === 40 && found.doc().list.length === 40)
  await equal(made, found)
  const heard = []
  found.on('ephemeral-message', ({ message }) => heard.push(message))
  made.broadcast('from far')
  await until('it is heard', () => heard.length === 1)
  assert.deepEqual(heard, ['from far'])
  assert.equal(ann.storageId, bob.storageId)
  const [hers, his] = [presenceOf(t, made), presenceOf(t, found)]
  hers.start({ initialState: { name: 'ann' } })
  stopIntroducing(made)
  await until('it is known at the other node', async () => {
    his.start({ initialState: { name: 'bob' } })
    await new Promise(resolve => setTimeout(resolve, 100))
    if (shown(his, ann)) return true
    his.stop()
  })
  assert.deepEqual(shown(his, ann), { name: 'ann' })
  ann.goOffline()
  await until('she is gone there too', () => !shown(his, ann))
})
