/**
 * The examples of Hocuspocus' documentation that need nobody's cloud, as somebody who follows it would write them: the same
 * calls in the same order, in our words. Each page says which one it stands for. They run unmodified in two browsers, and
 * the addresses that they print lead to the server of the test. Those of the provider's README run in Node, as printed.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Application, VERSIONS } from './application.mjs'
import { openPage } from './browser.mjs'
import { leave, setStage } from './stage.mjs'
import { until, untilIt } from './until.mjs'

const stage = setStage({ printed: ['127.0.0.1:1234', '127.0.0.1:80'] })
let application

before(async () => {
  application = await Application.start()
})

after(() => application?.stop())

for (const version of VERSIONS) {
  test(`install: two copies with version ${version} have one document`, async () => {
    const [one, other] = await copies('install', version)
    const words = `hello from version ${version}`
    await one.ask((example, words) => example.ydoc.getText(words).insert(0, words), words)
    await untilIt(() => other.ask((example, words) => example.ydoc.getText(words).toString(), words), words, 'it has arrived')
    await untilIt(() => stage.content('example-document', words), words, 'it is stored')
    await leave(one, other)
  })

  test(`awareness: each copy with version ${version} sees where the pointer of the other is`, async () => {
    const [one, other] = await copies('awareness', version)
    await one.page.mouse.move(31, 47)
    await untilIt(() => other.ask(pointers), '31,47', 'its place has arrived')
    await other.page.mouse.move(53, 59)
    await untilIt(() => one.ask(pointers), '31,47 53,59', 'both places are known')
    await leave(one)
    await untilIt(() => other.ask(pointers), '53,59', 'who has left is gone')
    await leave(other)
  })

  test(`Tiptap: two editors with version ${version} have one text, and show each other's caret`, async () => {
    const [one, other] = await copies('tiptap', version)
    const before = await one.text('.element')
    await one.type('.element', `From version ${version}. `)
    await untilIt(() => other.text('.element'), `From version ${version}. ${before}`, 'it has arrived')
    await other.page.locator('.element .collaboration-carets__label:text-is("Heron")').waitFor()
    await leave(one, other)
  })

  test(`multiplexing: two documents on one socket of version ${version}`, async () => {
    const [one, other] = await copies(version > 2 ? 'attaching' : 'multiplexing', version)
    const words = `on a socket of version ${version}`
    await one.ask(({ one, other }, words) => {
      one.document.getText(words).insert(0, 'first')
      other.document.getText(words).insert(0, 'second')
    }, words)
    const read = ({ one, other }, words) => [one, other].map(({ document }) => document.getText(words).toString()).join()
    await untilIt(() => other.ask(read, words), 'first,second', 'both have arrived')
    await untilIt(() => stage.content('document1', words), 'first', 'the first is stored')
    await untilIt(() => stage.content('document2', words), 'second', 'the second is stored')
    assert.equal(one.sockets.length, 1)
    await leave(one, other)
  })
}

test('configuration: all settings at once, and two people for one document on one socket', async () => {
  const [one, other] = await copies('configuration')
  await one.ask(({ one, other }) => {
    one.document.getText('text').insert(0, 'one ')
    other.setAwarenessField('user', { name: 'the other' })
  })
  const read = ({ other }) => other.document.getText('text').toString()
  for (const copy of [one, other]) await untilIt(() => copy.ask(read), 'one ', 'it has arrived')
  const names = ({ one }) => [...one.awareness.getStates().values()].map(({ user }) => user?.name).join('')
  for (const copy of [one, other]) await untilIt(() => copy.ask(names), 'the other', 'the other is seen')
  await until(() => one.ask(({ one, other }) => !one.hasUnsyncedChanges && !other.hasUnsyncedChanges), 'all is stored')
  assert.equal(one.sockets.length, 1)
  await leave(one, other)
})

for (const version of [3, 4]) {
  test(`events: a listener of version ${version} hears all that there is to hear`, async () => {
    const [one] = await copies('events', version)
    const hears = (what) => until(() => one.ask(({ heard }, what) => heard.includes(what), what), `it hears "${what}"`)
    for (const what of ['open', 'connect', 'status: connected', 'authenticated', 'message', 'sent', 'synced: true', 'bound']) await hears(what)
    await one.ask(({ provider }) => provider.setAwarenessField('user', { name: 'Heron' }))
    for (const what of ['update of 1', 'change of 1']) await hears(what)
    await one.ask(({ provider }) => provider.sendStateless('to the server'))
    await signal('example-document', 'from the server')
    await hears('signal: from the server')
    await one.ask(({ provider }) => provider.destroy())
    await hears('destroy')
    const heard = await one.ask(({ heard }) => heard)
    assert.ok(!heard.some((what) => /unbound|refused|nothing sent|undefined/.test(what)), heard.join('; '))
    await leave(one)
  })
}

test('collaborative editing: the document is the provider\'s own, and a user has a new name', async () => {
  const [one, other] = await copies('editing')
  await one.type('.element', 'Words of one. ')
  await untilIt(() => other.text('.element'), 'Words of one. ', 'they have arrived')
  await other.page.locator('.element .collaboration-carets__label:text-is("Jenny")').waitFor()
  await leave(one, other)
})

test('fields: two editors for two fields of one document', async () => {
  const [one, other] = await copies('fields')
  await one.type('.title', 'A title')
  await other.type('.element', 'A body')
  for (const copy of [one, other]) {
    await untilIt(() => copy.text('.title'), 'A title', 'the title has arrived')
    await untilIt(() => copy.text('.element'), 'A body', 'the body has arrived')
  }
  await untilIt(() => stage.content('page.141', 'title'), 'A title', 'the title is stored')
  await untilIt(() => stage.content('page.141', 'body'), 'A body', 'the body is stored')
  await leave(one, other)
})

/** Two copies of an example, both in sync. */
async function copies(page, version = 4) {
  return Promise.all(['the one', 'the other'].map((name) => Copy.open(page, version, name)))
}

/** An example in a browser of its own. */
class Copy {
  static async open(page, version, name) {
    const copy = new Copy(await openPage(stage.browser), name)
    await copy.page.goto(application.address(page, version))
    const isReady = () => Object.values(window.example ?? {}).some((one) => one.isSynced)
    await until(() => copy.page.evaluate(isReady), `${name} is in sync`)
    return copy
  }

  constructor(opened, name) {
    Object.assign(this, opened, { name, sockets: [] })
    this.page.on('websocket', (socket) => this.sockets.push(socket))
  }

  /** What a function gives in the page, of all that the example exports. */
  ask(look, about) {
    return this.page.evaluate(`(${look})(window.example, ${JSON.stringify(about ?? null)})`)
  }

  async type(place, words) {
    await this.page.locator(`${place} .tiptap`).focus()
    await this.page.keyboard.press('Control+Home')
    await this.page.keyboard.type(words, { delay: 3 })
  }

  /** The text in an editor, without the carets in it. */
  text(place) {
    return this.page.locator(`${place} .tiptap`).evaluate((content) => {
      const copy = content.cloneNode(true)
      copy.querySelectorAll('.collaboration-carets__caret, .ProseMirror-trailingBreak').forEach((widget) => widget.remove())
      return copy.textContent
    })
  }
}

/** Where all pointers are. */
function pointers({ seen }) {
  return seen.filter(({ user }) => user).map(({ user }) => `${user.mouseX},${user.mouseY}`).sort().join(' ')
}

/** Has the server tell everybody in a document something. */
async function signal(document, payload) {
  const answer = await fetch(`${stage.address(document)}/signal`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ payload }),
  })
  assert.ok(answer.ok, await answer.text())
}
