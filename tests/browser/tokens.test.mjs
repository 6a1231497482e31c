/**
 * The landing page of a server with keys of its own: it asks for a token, lists what that lets somebody read and nothing
 * else, says who is signed in, and forgets the token when it is told to.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { launchBrowser, openPage } from './browser.mjs'
import { quire, startServer } from './server.mjs'
import { until, untilIt } from './until.mjs'

let server
let chromium

before(async () => {
  server = await startServer({}, (folder) => quire(folder, 'key', 'new', '--alg', 'ES256'))
  chromium = await launchBrowser()
  const admin = await token('root', 'read,write,admin')
  for (const name of ['stories/one', 'stories/two', 'secrets/one']) await create(name, admin)
})

after(async () => {
  await chromium?.close()
  await server?.remove()
})

test('whoever signs in sees what they may read, and nothing when they have signed out', async () => {
  const { page, context, complaints } = await openPage(chromium.browser)
  await page.goto(server.url)
  const note = page.locator('#documents-note')
  await note.filter({ hasText: 'This server asks who you are.' }).waitFor()
  assert.equal(await page.locator('#documents').isVisible(), false)

  await page.getByLabel('Token').fill(await token('ada', 'read', '--document', 'stories/*'))
  await page.keyboard.press('Enter')
  await page.getByText('Signed in as ada.').waitFor()
  assert.deepEqual(await page.locator('#documents tbody th').allTextContents(), ['stories/one', 'stories/two'])
  assert.equal(await page.getByRole('link', { name: 'Metrics' }).isVisible(), false)
  assert.match(await page.locator('[data-snippet=y-websocket]').textContent(), /quire-token-\$\{token\}/)

  await page.getByRole('link', { name: 'stories/one, plain text' }).click()
  await page.locator('#connection').filter({ hasText: 'read only' }).waitFor()
  await page.goBack()
  await page.getByRole('button', { name: 'Sign out' }).click()
  await note.filter({ hasText: 'This server asks who you are.' }).waitFor()
  assert.equal(await page.evaluate(() => sessionStorage.length), 0)
  await context.close()
  assert.deepEqual(complaints.filter((complaint) => !/status of 401/.test(complaint)), [])
})

test('a token that allows nothing here is told so, and can be left behind', async () => {
  const { page, context } = await openPage(chromium.browser)
  await page.goto(`${server.url}/#token=${await token('eve', 'write')}`)
  await page.locator('#documents-note').filter({ hasText: 'lacks read' }).waitFor()
  await page.getByText('Signed in as eve.').waitFor()
  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.getByLabel('Token').waitFor()
  await context.close()
})

test('whoever is revoked is told so where they write', async () => {
  const { page, context } = await openPage(chromium.browser)
  await page.goto(`${server.url}/edit?document=stories%2Fone#token=${await token('bob', 'read,write,presence')}`)
  await page.locator('#connection[data-state=connected]').waitFor()
  await page.locator('#editor .cm-content').focus()
  await page.keyboard.type('Until now.')
  await until(async () => (await page.locator('#people .face').count()) === 1, 'bob is here')
  await ask('POST', '/api/v1/revocations', await token('root', 'admin', '--workspace', '*'), { user: 'bob', reason: 'left' })
  await page.locator('#banner').filter({ hasText: 'was revoked' }).waitFor()
  await untilIt(() => page.locator('#editor .cm-line').first().textContent(), 'Until now.', 'the words stay in sight')
  await context.close()
})

function token(user, may, ...more) {
  return quire(server.folder, 'token', 'new', '--sub', user, '--may', may, ...more)
}

function create(name, shown) {
  return ask('POST', '/api/v1/workspaces/default/documents', shown, { name, kind: 'yjs' })
}

async function ask(method, path, shown, body) {
  const headers = { authorization: `Bearer ${shown}`, 'content-type': 'application/json' }
  const answer = await fetch(server.url + path, { method, headers, body: JSON.stringify(body) })
  assert.equal(answer.status, 201, await answer.text())
}
