// Queries of the unmodified ShareDB client at real nodes on a real Postgres and a real Redis: what is stored at one node is told
// at another because Redis says so, not because somebody looks.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { join } from '../sharedb/person.mjs'
import { startCluster } from './cluster.mjs'
import { until } from './until.mjs'

const AN_HOUR = { QUIRE_CLUSTER__HEADS_INTERVAL: '1h' }

test('a query that is subscribed to at one node is told what is stored at another', async t => {
  const cluster = await startCluster(t, { env: AN_HOUR })
  const at = await Promise.all([0, 1].map(async node => (await cluster.before(node)).url + '/sharedb/default'))
  const reader = join(t, at[0], 'tasks', 'none')
  const query = await subscribed(reader, { done: false })
  const found = () => query.results.map(doc => [doc.id, doc.data])
  const becomes = (what, expected) => until(what, () => JSON.stringify(found()) === JSON.stringify(expected))
  assert.deepEqual(found(), [])
  const [ann, ben] = ['a', 'b'].map(id => join(t, at[1], 'tasks', id))
  await ben.create({ done: false, n: 0 }, 'json0')
  await becomes('it is told of the first', [['b', { done: false, n: 0 }]])
  await ann.create({ done: false, n: 0 }, 'json0')
  await becomes('and of the one before it', [['a', { done: false, n: 0 }], ['b', { done: false, n: 0 }]])
  for (let n = 0; n < 5; n++) ben.edit([{ p: ['n'], na: 1 }])
  await becomes('it is told what is edited', [['a', { done: false, n: 0 }], ['b', { done: false, n: 5 }]])
  ann.edit([{ p: ['done'], od: false, oi: true }])
  await becomes('what does not match any more leaves', [['b', { done: false, n: 5 }]])
  await subscribed(ann, { done: true }, query => assert.deepEqual(query.results.map(doc => doc.id), ['a']))
  ben.remove()
  await becomes('what is deleted leaves', [])
  assert.deepEqual([reader, ann, ben].flatMap(person => person.errors), [])
})

async function subscribed (person, condition, check = () => {}) {
  const query = person.connection.createSubscribeQuery(person.doc.collection, condition)
  await until('the query is answered', () => query.ready)
  check(query)
  return query
}
