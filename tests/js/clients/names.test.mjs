// Room names as people write them, and the document's name that each of them is.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allSynced, converged, join } from './people.mjs'
import { startServer } from './server.mjs'
import { until } from './until.mjs'

const ROOMS = [
  ['plain', 'plain'],
  ['stories/one', 'stories/one'],
  ['stories/one/', 'stories/one/'],
  ['a//b', 'a//b'],
  ['größe und maß', 'größe und maß'],
  ['日本語/😀', '日本語/😀'],
  [encodeURIComponent('100% of a/b?c#d'), '100% of a/b?c#d'],
  ['a%2Fb', 'a/b'],
  ['yjs/default/yjs', 'yjs'],
  ['a:b', 'a:b'],
  ["it's [fine] & (good) + so", "it's [fine] & (good) + so"]
]

test('each room is the document of its name', async t => {
  const server = await startServer(t)
  for (const [room, name] of ROOMS) {
    const [one, two] = [join(t, server, room), join(t, server, room)]
    await allSynced([one, two])
    one.append(`this is ${name}`)
    assert.equal(await converged(server, name, [one, two]), `this is ${name}`)
  }
  const list = await (await fetch(`http://${server.listen}/api/v1/workspaces/default/documents?limit=100`)).json()
  assert.deepEqual(list.items.map(document => document.name).sort(), ROOMS.map(([, name]) => name).sort())
})

test('parameters are no part of the name', async t => {
  const server = await startServer(t)
  const person = join(t, server, 'asked', { params: { token: 'a/b?c' } })
  await allSynced([person])
  person.append('here')
  assert.equal(await converged(server, 'asked', [person]), 'here')
})

test('documents of one name in two workspaces are two', async t => {
  const server = await startServer(t)
  const [here, there] = [join(t, server, 'same'), join(t, server, 'yjs/team/same')]
  await allSynced([here, there])
  here.append('here')
  there.append('there')
  await converged(server, 'same', [here])
  const url = `http://${server.listen}/api/v1/workspaces/team/documents/same/content?format=text&field=text`
  await until('the other is stored too', async () => await (await fetch(url)).text() === 'there')
  assert.equal(here.text.toString(), 'here')
})

test('a room whose name is refused stops the client', async t => {
  const server = await startServer(t)
  const person = join(t, server, 'no%00thing')
  const closed = await new Promise(resolve => person.provider.once('closed', resolve))
  assert.equal(closed.code, 4414)
  assert.equal(person.provider.shouldConnect, false)
})
