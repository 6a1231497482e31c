// The server ends and comes back, with edits made meanwhile on both sides: nothing is lost, whichever way it ended.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allSynced, converged, join } from './people.mjs'
import { startServer } from './server.mjs'
import { until } from './until.mjs'

for (const [signal, code] of [['SIGKILL', 1006], ['SIGTERM', 1012]]) {
  test(`edits made offline merge after ${signal}`, async t => {
    const server = await startServer(t)
    const [one, two] = [join(t, server, 'offline'), join(t, server, 'offline')]
    await allSynced([one, two])
    one.append('before;')
    await converged(server, 'offline', [one, two])
    one.append('last words;')
    await server.end(signal)
    await until('both notice', () => [one, two].every(person => !person.provider.wsconnected))
    for (const person of [one, two]) assert.ok(person.closes.includes(code), `closed with ${person.closes}`)
    one.append('one alone;')
    two.append('two alone;')
    await server.start()
    await allSynced([one, two])
    const text = await converged(server, 'offline', [one, two])
    for (const words of ['before;', 'last words;', 'one alone;', 'two alone;']) assert.ok(text.includes(words), text)
  })
}

test('many restarts in a row lose nothing', async t => {
  const server = await startServer(t)
  const [one, two] = [join(t, server, 'again'), join(t, server, 'again')]
  const wanted = []
  for (const round of [0, 1, 2, 3, 4]) {
    await allSynced([one, two])
    for (const [person, name] of [[one, 'a'], [two, 'b']]) {
      for (const key of [0, 1, 2]) {
        wanted.push(`${name}${round}.${key};`)
        person.append(wanted.at(-1))
      }
    }
    await server.end(round % 2 === 0 ? 'SIGKILL' : 'SIGTERM')
    await server.start()
  }
  await allSynced([one, two])
  const text = await converged(server, 'again', [one, two])
  for (const words of wanted) assert.ok(text.includes(words), `${words} is missing in ${text}`)
  assert.equal(text.length, wanted.join('').length)
})

test('a client that comes back with more than the server has brings it', async t => {
  const server = await startServer(t)
  const person = join(t, server, 'brought', { connect: false })
  person.append('written before there was a connection')
  person.provider.connect()
  await allSynced([person])
  assert.equal(await converged(server, 'brought', [person]), 'written before there was a connection')
})
