/**
 * The landing page: it lists documents, page by page, leads into new and old ones, speaks plainly when something is wrong,
 * fits a narrow screen, and is sent with a policy that allows nothing inline and nothing from elsewhere.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { launchBrowser, openPage } from './browser.mjs'
import { startServer } from './server.mjs'
import { until } from './until.mjs'

const NAME = 'Überlegungen / Entwurf?'

let server
let chromium

before(async () => {
  server = await startServer()
  chromium = await launchBrowser()
})

after(async () => {
  await chromium?.close()
  await server?.remove()
})

test('a document named on the landing page opens, and is listed there afterwards', async () => {
  const { page, context, complaints } = await openPage(chromium.browser)
  await page.goto(server.url)
  await page.getByLabel('Name of the document').fill(NAME)
  await page.keyboard.press('Enter')
  await page.locator('#connection[data-state=connected]').waitFor()
  assert.equal(await page.locator('#title').textContent(), NAME)
  await page.locator('#editor .cm-content').focus()
  await page.keyboard.type('Hallo.')
  await until(async () => (await listed()).some(({ name, changes }) => name === NAME && changes > 0), 'the document has changes')

  await page.goto(server.url)
  const row = page.getByRole('row').filter({ hasText: NAME })
  await row.waitFor()
  assert.match(await row.textContent(), /yjs.*[1-9].*just now/)
  await row.getByRole('link', { name: 'plain text' }).click()
  await until(async () => (await page.locator('#editor .cm-line').first().textContent()) === 'Hallo.', 'the text is back')
  await context.close()
  assert.deepEqual(complaints, [])
})

test('documents of ShareDB are opened from the landing page, and are listed with their one way in', async () => {
  const { page, context, complaints } = await openPage(chromium.browser)
  for (const [button, title, name] of [['Open in Quill', 'Quill', 'texts/opened'], ['Open as a form', 'Form', 'forms/opened']]) {
    await page.goto(server.url)
    await page.getByLabel('Name of the document').fill('opened')
    await page.getByRole('button', { name: button }).click()
    await page.locator('#connection[data-state=saved]').waitFor()
    assert.equal(await page.locator('#title').textContent(), 'opened')
    await page.goto(server.url)
    const row = page.getByRole('row').filter({ hasText: name })
    assert.deepEqual(await row.getByRole('link').allTextContents(), [title])
    await row.getByRole('link').click()
    await page.locator('#connection[data-state=saved]').waitFor()
  }
  await context.close()
  assert.deepEqual(complaints, [])
})

test('a board is opened from the landing page, and is listed by its id with its one way in', async () => {
  const { page, context, complaints } = await openPage(chromium.browser)
  await page.goto(server.url)
  await page.getByLabel('Name of the document').fill('opened')
  await page.getByRole('button', { name: 'Open as a board' }).click()
  await page.locator('#connection[data-state=saved]').waitFor()
  assert.equal(await page.locator('#title').textContent(), 'opened')
  await page.goto(server.url)
  const row = page.getByRole('row').filter({ hasText: 'automerge' })
  assert.deepEqual(await row.getByRole('link').allTextContents(), ['Board'])
  await row.getByRole('link').click()
  await page.locator('#connection[data-state=saved]').waitFor()
  assert.equal(await page.locator('#title').textContent(), 'opened')
  await context.close()
  assert.deepEqual(complaints, [])
})

test('a long list comes in pages, each document once', async () => {
  const names = Array.from({ length: 30 }, (_, at) => `many ${String(at).padStart(2, '0')}`)
  for (const name of names) {
    const answer = await create(name)
    assert.ok([201, 409].includes(answer.status), `creating ${name} answered ${answer.status}`)
  }
  const { page, context, complaints } = await openPage(chromium.browser)
  await page.goto(server.url)
  while ((await listAtRest(page)) === 'more') await page.locator('#more').click()
  const shown = await page.locator('#documents tbody th').allTextContents()
  assert.deepEqual(shown.filter((name) => name.startsWith('many ')).sort(), names)
  assert.equal(new Set(shown).size, shown.length)
  await context.close()
  assert.deepEqual(complaints, [])
})

test('a name that cannot be an address is refused with a reason', async () => {
  const { page, context } = await openPage(chromium.browser)
  await page.goto(server.url)
  await page.getByLabel('Name of the document').fill('..')
  await page.getByRole('button', { name: 'Open as plain text' }).click()
  assert.match(await page.getByRole('alert').textContent(), /dots/)
  assert.equal(new URL(page.url()).pathname, '/')
  await context.close()
})

test('the code to connect with names this very server', async () => {
  const { page, context } = await openPage(chromium.browser)
  await page.goto(server.url)
  const url = server.url.replace('http', 'ws')
  const provider = {
    'y-websocket': `new WebsocketProvider('${url}', 'my-document', doc)`,
    hocuspocus: `new HocuspocusProvider({\n  url: '${url}',\n  name: 'my-document',\n`,
    sharedb: `new ReconnectingWebSocket('${url}/sharedb/default')`,
    automerge: `new WebSocketClientAdapter('${url}/automerge/default')`,
  }
  for (const [client, line] of Object.entries(provider)) {
    const button = page.locator('.snippet', { has: page.locator(`[data-snippet=${client}]`) }).getByRole('button')
    await button.evaluate(noteWhatItSays)
    await button.click()
    await until(() => page.evaluate(() => window.said.includes('Copied')), 'the button says that it is done')
    const copied = await page.evaluate(() => navigator.clipboard.readText())
    assert.ok(copied.includes(line), copied)
  }
  await context.close()
})

for (const path of ['/', '/edit?document=narrow', '/write?document=narrow', '/quill?document=narrow', '/form?document=narrow', '/board?document=narrow']) {
  test(`${path} fits a screen 360 pixels wide`, async () => {
    const { page, context } = await openPage(chromium.browser, { viewport: { width: 360, height: 640 } })
    await page.goto(server.url + path)
    await page.locator('h1').waitFor()
    const width = await page.evaluate(() => document.documentElement.scrollWidth)
    assert.ok(width <= 360, `the page is ${width} pixels wide`)
    await context.close()
  })

  test(`${path} comes with a strict policy`, async () => {
    const page = await fetch(server.url + path, { headers: { accept: 'text/html' } })
    const policy = page.headers.get('content-security-policy') ?? ''
    assert.match(policy, /default-src 'none'/)
    // WebAssembly, which Automerge is, may be made where it is needed, and nothing else.
    assert.equal(policy.includes("'wasm-unsafe-eval'"), path.startsWith('/board'))
    assert.doesNotMatch(policy.replace("'wasm-unsafe-eval'", ''), /unsafe|https?:|\*/)
  })
}

/** Waits until a page of the list is there, and says whether there is more of it. Everything is seen in one look. */
function listAtRest(page) {
  const look = () => {
    const [table, button] = ['documents', 'more'].map((id) => document.getElementById(id))
    return !table.hidden && !button.disabled && (button.hidden ? 'all' : 'more')
  }
  return until(() => page.evaluate(look), 'a page of the list is there')
}

/** Keeps each word of an element that changes, in the page itself: what is said for a moment is not missed on a busy machine. */
function noteWhatItSays(element) {
  window.said = []
  new MutationObserver(() => window.said.push(element.textContent)).observe(element, { childList: true })
}

async function listed() {
  const answer = await fetch(`${server.url}/api/v1/workspaces/default/documents`)
  return (await answer.json()).items
}

function create(name) {
  const body = JSON.stringify({ name, kind: 'yjs' })
  return fetch(`${server.url}/api/v1/workspaces/default/documents`, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
}
