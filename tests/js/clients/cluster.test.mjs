// Unmodified clients before a balancer that leads them from node to node, in mid-sentence: they read what they have written
// wherever they arrive, and nobody sees them twice.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startCluster } from './cluster.mjs'
import { allSaved, open } from './editors.mjs'
import { allSynced, join } from './people.mjs'
import { until } from './until.mjs'

const SENTENCE = 'a sentence that is written at three nodes, and read at each of them. '
const names = person => person.others().map(([, state]) => state.name).sort().join()

test('a sentence that is written with y-websocket at three nodes is whole at each', async t => {
  const cluster = await startCluster(t)
  const balancers = await Promise.all([0, 1, 2].map(node => cluster.before(node)))
  const [ann, ben] = [join(t, balancers[0], 'sentence'), join(t, balancers[1], 'sentence')]
  await allSynced([ann, ben])
  await write(ann, balancers[0])
  await until('ann and ben read the same', () => ann.text.toString() === SENTENCE && ben.text.toString() === SENTENCE)
  for (const node of [0, 1, 2]) {
    await until(`node ${node} gives it`, async () => await cluster.text('sentence', node) === SENTENCE)
    const late = join(t, balancers[node], 'sentence')
    await allSynced([late])
    assert.equal(late.text.toString(), SENTENCE, 'whoever is in sync has all of it')
  }
})

test('what a Hocuspocus provider calls saved is there for whoever comes to any node', async t => {
  const cluster = await startCluster(t)
  const balancers = await Promise.all([0, 1, 2, 0, 1, 2].map(node => cluster.before(node)))
  // Somebody stays at each node, so that it has the document in memory when ann comes.
  const stay = balancers.slice(3).map(balancer => open(balancer, 'saved'))
  const ann = open(balancers[0], 'saved')
  await allSaved([ann, ...stay])
  for (let round = 0; round < 12; round++) {
    ann.append(`${round};`)
    balancers[0].leadTo(round % 3)
    ann.append('in mid-sentence;')
    await allSaved([ann])
    const late = open(balancers[(round + 1) % 2 + 1], 'saved')
    await until('the late one is in sync', () => late.provider.synced)
    assert.equal(late.text.toString(), ann.text.toString(), `round ${round}`)
    late.leave()
    late.on.leave()
  }
  await until('all read the same', () => stay.every(editor => editor.text.toString() === ann.text.toString()))
})

test('nobody is seen twice or missed who goes from node to node, in either dialect', async t => {
  const cluster = await startCluster(t)
  const balancers = await Promise.all([0, 1, 2].map(node => cluster.before(node)))
  const ann = join(t, balancers[0], 'room')
  const ben = open(balancers[1], 'room')
  const cem = join(t, balancers[2], 'room')
  for (const [person, name] of [[ann, 'ann'], [ben, 'ben'], [cem, 'cem']]) person.awareness.setLocalState({ name })
  const seen = [[ann, 'ben,cem'], [ben, 'ann,cem'], [cem, 'ann,ben']]
  const allSeen = () => seen.every(([person, others]) => names(person) === others)
  await until('everybody sees everybody', allSeen)
  let doubles = 0
  for (const [person] of seen) {
    person.awareness.on('change', () => {
      const shown = person.others().map(([, state]) => state.name)
      doubles += new Set(shown).size < shown.length
    })
  }
  for (let round = 1; round <= 6; round++) {
    balancers[round % 3].leadTo((round + Math.floor(round / 3)) % 3)
    seen[round % 3][0].awareness.setLocalStateField('at', round)
    await until('everybody sees everybody again', allSeen)
  }
  assert.equal(doubles, 0, 'somebody was shown twice')
})

test('who was at a node that dies is gone, and who comes back from it is seen once', async t => {
  const cluster = await startCluster(t)
  const balancers = await Promise.all([0, 1, 1].map(node => cluster.before(node)))
  const [ann, ben, cem] = balancers.map(balancer => join(t, balancer, 'death'))
  for (const [person, name] of [[ann, 'ann'], [ben, 'ben'], [cem, 'cem']]) person.awareness.setLocalState({ name })
  await until('everybody sees everybody', () => names(ann) === 'ben,cem' && names(ben) === 'ann,cem' && names(cem) === 'ann,ben')
  ben.append('typed as the node dies;')
  balancers[2].node = 2
  cluster.kill(1)
  // ben never comes back: his balancer leads to nowhere.
  await until('cem is served elsewhere', () => cem.provider.wsconnected && cem.provider.synced)
  cem.awareness.setLocalStateField('back', true)
  await until('only ann and cem are seen', () => names(ann) === 'cem' && names(cem) === 'ann')
})

/** Writes the sentence letter by letter, and changes node between two letters. */
async function write (person, balancer) {
  let node = 0
  for (const [place, letter] of [...SENTENCE].entries()) {
    person.append(letter)
    if (place % 9 === 8) balancer.leadTo(node = (node + 1) % 3)
    if (place % 3 === 0) await new Promise(resolve => setTimeout(resolve, 20))
  }
}
