/**
 * The three versions of the Hocuspocus provider in one document, each unmodified and in a browser of its own: they have one
 * text and one presence, and what they count as stored is stored.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Application, VERSIONS } from './application.mjs'
import { openPage } from './browser.mjs'
import { leave, setStage } from './stage.mjs'
import { until, untilIt } from './until.mjs'

const stage = setStage()
let application

before(async () => {
  application = await Application.start()
})

after(() => application?.stop())

test('versions 2, 3 and 4 write into one document, see each other, and count to zero', async () => {
  const people = await everybody('together')
  for (const person of people) await person.seesHere(people)
  for (const person of people) {
    await person.write(`${person.name} `)
    await agree('together', people, words(people, person))
  }
  await Promise.all(people.map((person) => person.write('all at once, ')))
  await agree('together', people, words(people) + 'all at once, '.repeat(people.length))
  for (const person of people) {
    const counts = await person.counts()
    assert.ok(counts.some((count) => count > 0), `${person.name} counted what it wrote: ${counts}`)
    assert.equal(counts.at(-1), 0)
    assert.ok(counts.every((count) => count >= 0), `${person.name} counted ${counts}`)
  }
  const [gone, ...others] = people
  await leave(gone)
  for (const person of others) await person.seesHere(others)
  await leave(...others)
})

for (const version of VERSIONS) {
  test(`what version ${version} counts as stored is there after a kill`, async (t) => {
    if (!stage.server.ours) return t.skip('the server is not ours to stop')
    const document = `killed with ${version}`
    const person = await Person.join(document, version)
    for (const word of ['one ', 'two ', 'three ']) await person.write(word)
    await person.isSaved()
    assert.equal((await person.counts()).at(-1), 0)
    person.outage.expected = true
    await stage.server.stop('SIGKILL')
    // Nobody may give back what the server has lost.
    await leave(person)
    await stage.server.start()
    assert.equal(await stage.content(document, 'text'), 'one two three ')
    const reader = await Person.join(document, version)
    await reader.reads('one two three ')
    await leave(reader)
  })
}

test('what all three write while the server is away counts as not stored, and is when it is back', async (t) => {
  if (!stage.server.ours) return t.skip('the server is not ours to stop')
  const people = await everybody('away')
  for (const person of people) await person.isSaved()
  for (const person of people) person.outage.expected = true
  await stage.server.stop('SIGKILL')
  for (const person of people) {
    await person.write('written alone, ')
    assert.ok((await person.counts()).at(-1) > 0, `${person.name} counts it`)
  }
  await stage.server.start()
  await agree('away', people, 'written alone, '.repeat(people.length))
  await stage.server.stop('SIGKILL')
  await leave(...people)
  await stage.server.start()
  assert.equal(await stage.content('away', 'text'), 'written alone, '.repeat(people.length))
})

/** Somebody with the provider of a version. */
class Person {
  static async join(document, version) {
    const person = new Person(await openPage(stage.browser), `version ${version}`)
    const server = stage.server.url.replace('http', 'ws')
    await person.page.goto(application.address('together', version, { server, document, name: person.name }))
    await person.isSaved()
    await person.counts()
    return person
  }

  constructor(opened, name) {
    Object.assign(this, opened, { name })
  }

  write(words) {
    return this.page.evaluate((words) => window.example.write(words), words)
  }

  /** What the provider has counted since it was last asked. */
  counts() {
    return this.page.evaluate(() => window.example.takeCounts())
  }

  /** Waits until it counts nothing; after what was written offline, version 2 counts less than that by itself. */
  isSaved() {
    return until(() => this.page.evaluate(() => window.example?.isSaved()), `${this.name} has all of it stored`)
  }

  reads(text) {
    return untilIt(() => this.page.evaluate(() => window.example.read()), text, `${this.name} reads it`)
  }

  seesHere(people) {
    const names = people.map(({ name }) => name).sort().join()
    return untilIt(() => this.page.evaluate(() => window.example.names()), names, `${this.name} sees who is here`)
  }
}

/** One with each version, in a document. */
async function everybody(document) {
  return Promise.all(VERSIONS.map((version) => Person.join(document, version)))
}

/** The names of all up to the last of them, as they were written. */
function words(people, last = people.at(-1)) {
  return people.slice(0, people.indexOf(last) + 1).map(({ name }) => `${name} `).join('')
}

/** Waits until everybody and the server have this text, and nobody counts anything that is not stored. */
async function agree(document, people, text) {
  await untilIt(() => stage.content(document, 'text'), text, 'the server has the text')
  for (const person of people) {
    await person.reads(text)
    await person.isSaved()
  }
}
