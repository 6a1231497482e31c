// Two people, and twenty, typing at once.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allSynced, converged, join } from './people.mjs'
import { startServer } from './server.mjs'
import { until } from './until.mjs'

test('two people see what the other types', async t => {
  const server = await startServer(t)
  const [one, two] = [join(t, server, 'pair'), join(t, server, 'pair')]
  await allSynced([one, two])
  one.append('hello ')
  await until('the second reads', () => two.text.toString() === 'hello ')
  two.append('world')
  two.text.format(0, 5, { bold: true })
  await until('the first reads', () => one.text.toString() === 'hello world')
  await until('formats arrive', () => one.text.toDelta()[0].attributes?.bold === true)
  assert.equal(await converged(server, 'pair', [one, two]), 'hello world')
})

test('twenty people typing at once converge, and the log reads the same', async t => {
  const server = await startServer(t)
  const people = Array.from({ length: 20 }, () => join(t, server, 'crowd'))
  await allSynced(people)
  for (let round = 0; round < 30; round++) {
    people.forEach((person, number) => {
      person.text.insert((round * 7 + number * 13) % (person.text.length + 1), `[${number}.${round}]`)
      if (round % 5 === 4) person.text.delete(person.text.length >> 1, 1)
    })
    await new Promise(setImmediate)
  }
  const text = await converged(server, 'crowd', people)
  assert.ok(text.length > 20 * 30 * 4, `only ${text.length} characters are left`)
  const late = join(t, server, 'crowd')
  await allSynced([late])
  assert.equal(late.text.toString(), text)
})
