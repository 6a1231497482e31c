// The unmodified Hocuspocus providers of three major versions: they sync, share sockets, talk, leave and come back, in rooms
// of their own and in rooms of y-websocket clients.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allOpen, allSaved, open, openSocket, VERSIONS } from './editors.mjs'
import { allSynced, converged, join } from './people.mjs'
import { startServer } from './server.mjs'
import { until } from './until.mjs'

const names = person => person.others().map(([, state]) => state.name).sort().join()

for (const version of VERSIONS) {
  test(`two people with version ${version} see what the other types`, async t => {
    const server = await startServer(t)
    const [ann, ben] = [open(server, 'pair', { version }), open(server, 'pair', { version })]
    await allOpen([ann, ben])
    ann.append('hello ')
    await until('ben reads', () => ben.text.toString() === 'hello ')
    ben.append('world')
    ben.text.format(0, 5, { bold: true })
    await until('formats arrive', () => ann.text.toDelta()[0].attributes?.bold === true)
    assert.equal(await converged(server, 'pair', [ann, ben]), 'hello world')
    await allSaved([ann, ben])
    assert.deepEqual([...ann.heard.scopes, ...ben.heard.scopes], ['read-write', 'read-write'])
  })

  test(`two documents on one socket of version ${version}`, async t => {
    const server = await startServer(t)
    const on = openSocket(server, { version })
    const [one, two] = [open(server, 'one', { on }), open(server, 'größe/zwei', { on })]
    const reader = open(server, 'größe/zwei', { version })
    await allOpen([one, two, reader])
    one.append('in the first')
    two.append('in the second')
    assert.equal(await converged(server, 'one', [one]), 'in the first')
    assert.equal(await converged(server, 'größe/zwei', [two, reader]), 'in the second')
    one.provider.destroy()
    two.append(', alone now')
    assert.equal(await converged(server, 'größe/zwei', [two, reader]), 'in the second, alone now')
    assert.deepEqual(on.closes, [])
  })

  test(`version ${version} and y-websocket in one room: one text and one presence`, async t => {
    const server = await startServer(t)
    const [ann, ben] = [open(server, 'mixed', { version }), join(t, server, 'mixed')]
    ann.awareness.setLocalState({ name: 'ann' })
    ben.awareness.setLocalState({ name: 'ben' })
    await Promise.all([allOpen([ann]), allSynced([ben])])
    ann.append('from one, ')
    await until('ben reads', () => ben.text.toString() === 'from one, ')
    ben.append('from the other')
    assert.equal(await converged(server, 'mixed', [ann, ben]), 'from one, from the other')
    await allSaved([ann])
    await until('they see each other', () => names(ann) === 'ben' && names(ben) === 'ann')
    ann.awareness.setLocalStateField('cursor', { at: 7 })
    await until('her cursor arrives', () => ben.others()[0][1].cursor?.at === 7)
    ben.awareness.setLocalStateField('cursor', { at: 3 })
    await until('his cursor arrives', () => ann.others()[0][1].cursor?.at === 3)
    ben.leave()
    await until('ben is gone', () => names(ann) === '')
    const cem = join(t, server, 'mixed')
    await until('cem sees ann', () => names(cem) === 'ann')
    ann.leave()
    await until('ann is gone', () => names(cem) === '')
  })

  test(`a state of version ${version} is gone at once when its owner says so`, async t => {
    const server = await startServer(t)
    const [ann, ben, cem] = [open(server, 'gone', { version }), open(server, 'gone', { version }), join(t, server, 'gone')]
    await Promise.all([allOpen([ann, ben]), allSynced([cem])])
    ann.awareness.setLocalState({ name: 'ann' })
    await until('ann is seen', () => names(ben) === 'ann' && names(cem) === 'ann')
    let forgotten = 0
    for (const { awareness } of [ben, cem]) awareness.on('change', (_, cause) => { forgotten += cause === 'timeout' })
    ann.awareness.setLocalState(null)
    await until('ann is gone', () => names(ben) === '' && names(cem) === '')
    assert.equal(forgotten, 0, 'the server said so')
    ann.awareness.setLocalState({ name: 'ann again' })
    await until('ann is back', () => names(ben) === 'ann again' && names(cem) === 'ann again')
  })

  test(`what version ${version} says without writing it goes to the others`, async t => {
    const server = await startServer(t)
    const [ann, ben, cem] = [1, 2, 3].map(() => open(server, 'talk', { version }))
    const elsewhere = open(server, 'silence', { version })
    await allOpen([ann, ben, cem, elsewhere])
    ann.provider.sendStateless('one é')
    ann.provider.sendStateless('two')
    ben.provider.sendStateless('three')
    await until('all is heard', () => cem.heard.signals.length === 3 && ben.heard.signals.length === 2 && ann.heard.signals.length === 1)
    assert.deepEqual(ann.heard.signals, ['three'])
    assert.deepEqual(ben.heard.signals, ['one é', 'two'])
    assert.deepEqual(elsewhere.heard.signals, [])
  })
}

// Version 2 can only leave for good.
for (const version of [3, 4]) {
  test(`a provider of version ${version} detaches, and attaches again`, async t => {
    const server = await startServer(t)
    const on = openSocket(server, { version })
    const [ann, ben, other] = [open(server, 'away', { on }), open(server, 'away', { version }), open(server, 'other', { on })]
    await allOpen([ann, ben, other])
    ann.awareness.setLocalState({ name: 'ann' })
    await until('ann is seen', () => names(ben) === 'ann')
    ann.provider.detach()
    await until('ann is gone', () => names(ben) === '')
    ben.append('while she was away;')
    await allSaved([ben])
    other.append('here')
    assert.equal(await converged(server, 'other', [other]), 'here')
    assert.equal(ann.text.toString(), '')
    ann.append('on her own;')
    ann.provider.attach()
    const text = await converged(server, 'away', [ann, ben])
    for (const words of ['while she was away;', 'on her own;']) assert.ok(text.includes(words), text)
    await allSaved([ann, ben])
    assert.deepEqual(on.closes, [])
  })
}

test('everybody in one room, whatever they speak', async t => {
  const server = await startServer(t)
  const people = [...VERSIONS.map(version => open(server, 'all', { version })), join(t, server, 'all')]
  people.forEach((person, number) => person.awareness.setLocalState({ name: `${number}` }))
  await until('everybody sees everybody', () => people.every(person => person.others().length === 3))
  for (let round = 0; round < 20; round++) {
    people.forEach((person, number) => person.text.insert((round * 7 + number * 5) % (person.text.length + 1), `[${number}.${round}]`))
    await new Promise(setImmediate)
  }
  const text = await converged(server, 'all', people)
  const written = people.flatMap((_, number) => Array.from({ length: 20 }, (_, round) => `[${number}.${round}]`)).join('')
  assert.deepEqual([...text].sort(), [...written].sort())
  await allSaved(people.slice(0, 3))
})

test('sixty-four documents on one socket', async t => {
  const server = await startServer(t)
  const [here, there] = [openSocket(server), openSocket(server)]
  const openAll = on => Array.from({ length: 64 }, (_, number) => open(server, `many/${number}`, { on }))
  const writers = openAll(here)
  writers.forEach((editor, number) => editor.append(`text ${number}`))
  await allSaved(writers)
  const readers = openAll(there)
  await until('all is read on another socket', () => readers.every((editor, number) => editor.text.toString() === `text ${number}`))
  readers.forEach(editor => editor.append('!'))
  await allSaved(readers)
  await until('and back', () => writers.every((editor, number) => editor.text.toString() === `text ${number}!`))
  assert.deepEqual([...here.closes, ...there.closes], [])
})

test('one document several times on one socket', async t => {
  const server = await startServer(t)
  const on = openSocket(server)
  const [ann, ben] = [1, 2].map(() => open(server, 'twice', { on, sessionAwareness: true }))
  const cem = open(server, 'twice')
  ann.awareness.setLocalState({ name: 'ann' })
  ben.awareness.setLocalState({ name: 'ben' })
  await allOpen([ann, ben, cem])
  ann.append('one ')
  await until('ben reads', () => ben.text.toString() === 'one ')
  ben.append('two')
  assert.equal(await converged(server, 'twice', [ann, ben, cem]), 'one two')
  await allSaved([ann, ben, cem])
  await until('they see each other', () => names(ann) === 'ben' && names(ben) === 'ann' && names(cem) === 'ann,ben')
  ben.provider.sendStateless('a word')
  await until('it is heard', () => ann.heard.signals.length === 1 && cem.heard.signals.length === 1)
  ann.leave()
  await until('only ann is gone', () => names(ben) === '' && names(cem) === 'ben')
  ben.append('!')
  assert.equal(await converged(server, 'twice', [ben, cem]), 'one two!')
})

test('what an application says over the API is heard by everybody who has the document open', async t => {
  const server = await startServer(t)
  const people = VERSIONS.map(version => open(server, 'told', { version }))
  const elsewhere = open(server, 'not told')
  await allOpen([...people, elsewhere])
  const body = JSON.stringify({ payload: 'dinner é' })
  const answer = await server.document('told', '/signal', { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  assert.ok(answer.ok, await answer.text())
  await until('all hear it', () => people.every(person => person.heard.signals.length === 1))
  for (const person of people) assert.deepEqual(person.heard.signals, ['dinner é'])
  assert.deepEqual(elsewhere.heard.signals, [])
})
