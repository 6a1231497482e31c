/**
 * The pages of a server that asks who people are: it asks for a token, takes one from the address without leaving
 * it there, says who may only read, and keeps the words of whoever may not go on in sight until they can.
 */
import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { launchBrowser, openPage, Writer } from './browser.mjs'
import { Doorkeeper } from './door.mjs'
import { startServer } from './server.mjs'
import { until, untilIt } from './until.mjs'

const WRITE = ['read', 'write', 'presence', 'history']
/** What Chromium and the provider report of a server that does not let somebody in. */
const REFUSED = /status of 401|^Permission denied to access/

let doorkeeper
let server
let chromium

before(async () => {
  doorkeeper = await Doorkeeper.start({})
  server = await startServer(doorkeeper.settings)
  chromium = await launchBrowser()
})

after(async () => {
  await chromium?.close()
  await server?.remove()
  await doorkeeper?.stop()
})

beforeEach(() => {
  doorkeeper.people = { ada: { user: 'ada', may: WRITE }, rea: { user: 'rea', may: ['read', 'presence'] } }
})

test('whoever shows nothing is asked for a token, until there is a good one', async () => {
  const ada = await visit('asked')
  await ada.told('This server asks who you are.')
  await ada.signIn('nobody')
  await ada.told('The server does not take this token.')
  assert.equal(await ada.isEditable(), 'false')
  await ada.signIn('ada')
  await ada.see('connected')
  await ada.goTo('Control+Home')
  await ada.type('Here at last.')
  await stored('asked', 'Here at last.')
  await ada.page.reload()
  await ada.see('connected')
  await untilIt(() => ada.text(), 'Here at last.', 'the tab is still signed in, and has the text')
  await ada.leave()
})

test('a token in the address signs in, and does not stay there', async () => {
  const ada = await visit('address', '#token=ada')
  await ada.see('connected')
  assert.equal(new URL(ada.page.url()).hash, '')
  assert.equal(await ada.page.evaluate(() => history.length), 2)
  await ada.leave()
})

test('whoever may only read sees all, and cannot write', async () => {
  const ada = await visit('readers', '#token=ada')
  const rea = await visit('readers', '#token=rea')
  await Promise.all([ada.see('connected'), rea.see('connected')])
  await rea.told('You may read this document, not change it.')
  assert.equal(await rea.page.locator('#connection').textContent(), 'read only')
  assert.equal(await rea.page.locator('#history-toggle').isVisible(), false)
  await ada.goTo('Control+Home')
  await ada.type('For your eyes.')
  await untilIt(() => rea.text(), 'For your eyes.', 'the reader sees what is written')
  assert.equal(await rea.isEditable(), 'false')
  await rea.content.focus()
  await rea.type('not mine')
  await stored('readers', 'For your eyes.')
  assert.equal(await rea.text(), 'For your eyes.')
  await ada.leave()
  await rea.leave()
})

test('when access ends the words stay in sight, and join the others after signing in again', async () => {
  const ada = await visit('ends', '#token=ada')
  await ada.see('connected')
  await ada.goTo('Control+Home')
  await ada.type('Before. ')
  await stored('ends', 'Before. ')
  await ada.leave()

  doorkeeper.people.brief = { user: 'ada', may: WRITE, expires: Math.floor(Date.now() / 1000) + 10 }
  const again = await visit('ends', '#token=brief')
  await again.see('connected')
  await untilIt(() => again.text(), 'Before. ', 'the text is there')
  await again.told('Your access has ended.')
  await until(async () => (await again.isEditable()) === 'false', 'nothing more is taken')
  assert.equal(await again.text(), 'Before. ')
  assert.equal(await again.page.locator('#connection').textContent(), 'not connected')
  await again.signIn('ada')
  await again.see('connected')
  await again.goTo('Control+End')
  await again.type('After.')
  await stored('ends', 'Before. After.')
  await again.leave()
})

test('where enough people write already, one more is told so and keeps their words', async () => {
  for (const token of ['ada', 'bea']) doorkeeper.people[token] = { user: token, may: WRITE, editors_max: 1 }
  const ada = await visit('full', '#token=ada')
  const bea = await visit('full', '#token=bea')
  await Promise.all([ada.see('connected'), bea.see('connected')])
  await ada.goTo('Control+Home')
  await ada.type('mine')
  await stored('full', 'mine')
  await untilIt(() => bea.text(), 'mine', 'the other has the text')
  await bea.goTo('Control+End')
  await bea.type('!')
  await bea.told('As many people are editing this document as may at once.')
  assert.equal(await bea.text(), 'mine!')
  await stored('full', 'mine')
  await ada.leave()
  await bea.page.getByRole('button', { name: 'Try again' }).click()
  await stored('full', 'mine!')
  await bea.leave()
})

test('the rich text page asks for a token as well, and says who may only read', async () => {
  const ada = await visit('rich', '', '/write')
  await ada.told('This server asks who you are.')
  await ada.signIn('ada')
  await ada.see('saved')
  await ada.content.focus()
  await ada.type('In rich words.')
  await ada.see('saved')
  const rea = await visit('rich', '#token=rea', '/write')
  await rea.see('read only')
  await until(async () => (await rea.content.textContent()).startsWith('In rich words.'), 'the reader has the text')
  assert.equal(await rea.isEditable(), 'false')
  await ada.leave()
  await rea.leave()
})

test('when access to a rich text ends the words stay in sight, until somebody signs in again', async () => {
  doorkeeper.people.brief = { user: 'ada', may: WRITE, expires: Math.floor(Date.now() / 1000) + 10 }
  const ada = await visit('rich ends', '#token=brief', '/write')
  await ada.see('saved')
  await ada.content.focus()
  await ada.type('Still here.')
  await ada.see('saved')
  await ada.page.getByLabel('Token').waitFor()
  assert.equal(await ada.content.textContent(), 'Still here.')
  assert.equal(await ada.isEditable(), 'false')
  await ada.signIn('ada')
  await ada.see('saved')
  assert.equal(await ada.isEditable(), 'true')
  await ada.leave()
})

test('the board asks for a token as well, and says who may only read', async () => {
  const ada = await visit('board', '', '/board')
  await ada.told('This server asks who you are.')
  await ada.signIn('ada')
  await ada.see('saved')
  await ada.content.focus()
  await ada.type('On the quay.')
  await ada.see('saved')
  const rea = await visit('board', '#token=rea', '/board')
  await rea.see('read only')
  await untilIt(() => rea.text(), 'On the quay.', 'the reader has the text')
  assert.equal(await rea.isEditable(), 'false')
  assert.equal(await rea.page.getByRole('button', { name: 'Add a card' }).first().isEnabled(), false)
  await ada.type(' At six.')
  await untilIt(() => rea.text(), 'On the quay. At six.', 'the reader sees what is written')
  await rea.see('read only')
  await ada.leave()
  await rea.leave()
})

test('whoever may not begin a board is told that there is none, until somebody has', async () => {
  const rea = await visit('not begun', '#token=rea', '/board')
  await rea.told('There is no such board yet')
  const ada = await visit('not begun', '#token=ada', '/board')
  await ada.see('saved')
  await rea.see('read only')
  await rea.page.locator('.column').first().waitFor()
  await ada.leave()
  await rea.leave()
})

test('when access to a board ends the words stay in sight, and are saved after signing in again', async () => {
  doorkeeper.people.brief = { user: 'ada', may: WRITE, expires: Math.floor(Date.now() / 1000) + 10 }
  const ada = await visit('board ends', '#token=brief', '/board')
  await ada.see('saved')
  await ada.content.focus()
  await ada.type('Still here.')
  await ada.see('saved')
  await ada.page.getByLabel('Token').waitFor()
  assert.equal(await ada.text(), 'Still here.')
  assert.equal(await ada.isEditable(), 'false')
  await ada.signIn('ada')
  await ada.see('saved')
  assert.equal(await ada.isEditable(), 'true')
  await ada.goTo('Control+End')
  await ada.type(' And on.')
  await ada.see('saved')
  const again = await visit('board ends', '#token=ada', '/board')
  await untilIt(() => again.text(), 'Still here. And on.', 'all is there')
  await ada.leave()
  await again.leave()
})

/** Somebody on the page of a document, signed in or not. */
async function visit(document, fragment = '', page = '/edit') {
  const visitor = new Visitor(await openPage(chromium.browser), page === '/write' ? '.tiptap' : '.cm-content')
  await visitor.page.goto(`${server.url}${page}?document=${encodeURIComponent(document)}${fragment}`)
  return visitor
}

class Visitor extends Writer {
  constructor(page, content) {
    super(page)
    this.content = this.page.locator(`#editor ${content}`)
  }

  told(sentence) {
    return this.page.locator('#banner').filter({ hasText: sentence }).waitFor()
  }

  async signIn(token) {
    await this.page.getByLabel('Token').fill(token)
    await this.page.getByRole('button', { name: 'Sign in' }).click()
  }

  isEditable() {
    return this.content.getAttribute('contenteditable')
  }

  /** Closes the page; the browser may have complained about refusals, and about nothing else. */
  async leave() {
    await this.context.close()
    assert.deepEqual(this.complaints.filter((complaint) => !REFUSED.test(complaint)), [])
  }
}

/** Waits until the server has this text. */
function stored(document, text) {
  const look = async () => {
    const address = `${server.url}/api/v1/workspaces/default/documents/${document}/content?field=codemirror`
    const answer = await fetch(address, { headers: { authorization: 'Bearer ada' } })
    return answer.text()
  }
  return untilIt(look, text, 'the server has the text')
}
