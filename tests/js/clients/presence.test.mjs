// Presence: who is here, seen by everybody at once, and gone at once.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allSynced, join } from './people.mjs'
import { startServer } from './server.mjs'
import { until } from './until.mjs'

async function room (t, ...names) {
  const server = await startServer(t)
  const people = names.map(name => {
    const person = join(t, server, 'room')
    person.awareness.setLocalState({ name })
    return person
  })
  await allSynced(people)
  await until('everybody sees everybody', () => people.every(person => person.others().length === names.length - 1))
  return { server, people }
}

const names = person => person.others().map(([, state]) => state.name).sort()

test('states arrive, change, and go when their owner says so', async t => {
  const { people: [ann, ben] } = await room(t, 'ann', 'ben')
  assert.deepEqual(names(ann), ['ben'])
  ben.awareness.setLocalStateField('cursor', { at: 7, of: '😀' })
  await until('the cursor arrives', () => ann.others()[0][1].cursor?.at === 7)
  assert.deepEqual(ann.others()[0][1], { name: 'ben', cursor: { at: 7, of: '😀' } })
  ben.awareness.setLocalState(null)
  await until('ben is gone', () => ann.others().length === 0)
  ben.awareness.setLocalState({ name: 'ben again' })
  await until('ben is back', () => names(ann)[0] === 'ben again')
})

test('whoever comes late sees everybody', async t => {
  const { server } = await room(t, 'ann', 'ben', 'cem')
  const late = join(t, server, 'room')
  await until('all three are seen', () => names(late).join() === 'ann,ben,cem')
})

for (const [how, leave] of [
  ['is destroyed', person => person.provider.destroy()],
  ['disconnects', person => person.provider.disconnect()],
  ['breaks off', person => person.terminate()]
]) {
  test(`a state is gone at once when its connection ${how}`, async t => {
    const { people: [ann, ben, cem] } = await room(t, 'ann', 'ben', 'cem')
    // y-protocols itself forgets a state after 30 s of silence, and says so.
    let forgotten = 0
    for (const { awareness } of [ann, ben]) awareness.on('change', (_, cause) => { forgotten += cause === 'timeout' })
    leave(cem)
    await until('cem is gone', () => names(ann).join() === 'ben' && names(ben).join() === 'ann')
    assert.equal(forgotten, 0, 'the server said so')
  })
}

// A client takes nobody's state twice: after a restart others see it again with its next change, or with its renewal, which
// y-protocols makes every 15 s. That is so with every server.
test('a state comes back with its owner after a restart', async t => {
  const { server, people: [ann, ben] } = await room(t, 'ann', 'ben')
  await server.end('SIGKILL')
  await until('they lose sight of each other', () => ann.others().length === 0 && ben.others().length === 0)
  await server.start()
  await allSynced([ann, ben])
  const clock = person => person.awareness.meta.get(ann.doc.clientID).clock
  const seen = []
  ben.awareness.on('change', () => { if (names(ben).includes('ann')) seen.push(clock(ben)) })
  ann.awareness.setLocalStateField('cursor', { at: 1 })
  const moved = clock(ann)
  await until('ann is seen', () => names(ben).join() === 'ann')
  assert.ok(seen[0] <= moved, 'ann is seen as soon as she moves, not when she is renewed')
  await until('ben is seen although he rests', () => names(ann).join() === 'ben')
})
