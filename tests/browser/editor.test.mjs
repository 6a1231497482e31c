/**
 * Two people in one document: both type at once, see each other, undo their own words, look into the past, and lose
 * nothing when the server goes away for a while.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { launchBrowser, Writer } from './browser.mjs'
import { startServer } from './server.mjs'
import { until } from './until.mjs'

const PASTED = 'From the notebook:\n\tninety-one steps,\n\n  one lantern.'

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

test('two writers who type and paste at once end with one text, which the server has too', async () => {
  const [heron, wren] = await pair('at once')
  await heron.goTo('Control+Home')
  await heron.type('top\nbottom')
  await agree('at once', [heron, wren], ['top\nbottom'])

  await heron.goTo('Control+Home')
  await wren.goTo('Control+End')
  await Promise.all([
    heron.type('Every evening the keeper climbed 🌊 the steps. '),
    wren.type(' Il répondit 👩‍🚀 à la mer.').then(() => wren.paste(PASTED)),
  ])
  const text = await agree('at once', [heron, wren], ['Every evening the keeper climbed 🌊 the steps. top', 'bottom Il répondit 👩‍🚀 à la mer.', PASTED])
  assert.equal(text.length, 'Every evening the keeper climbed 🌊 the steps. top\nbottom Il répondit 👩‍🚀 à la mer.'.length + PASTED.length)
  await leave(heron, wren)
})

test('writers see who is here and where, until the moment they leave', async () => {
  const [heron, wren] = await pair('who is here')
  await heron.goTo('Control+Home')
  await heron.type('We are two.')
  await wren.seesCaretOf('Heron')
  await wren.goTo('Control+End')
  await heron.seesCaretOf('Wren')
  assert.deepEqual(await heron.namesHere(), ['Heron', 'Wren'])
  assert.deepEqual(await wren.namesHere(), ['Wren', 'Heron'])

  await wren.callMyself('Jenny')
  await heron.seesCaretOf('Jenny')
  assert.deepEqual(await heron.caretNames(), ['Jenny'])

  await leave(wren)
  await until(async () => (await heron.namesHere()).length === 1, 'the name of who left is gone')
  assert.deepEqual(await heron.caretNames(), [])
  await leave(heron)
})

test('the same person in two tabs is one person', async () => {
  const [heron, wren] = await pair('two tabs')
  const second = await heron.context.newPage()
  await second.goto(heron.page.url())
  await until(async () => (await wren.namesHere()).includes('Heron, in 2 tabs'), 'Heron is seen once, with two tabs')
  assert.equal((await wren.namesHere()).length, 2)
  await second.close()
  await until(async () => (await wren.namesHere()).includes('Heron'), 'Heron is back to one tab')
  await leave(heron, wren)
})

test('undo takes back only my own words', async () => {
  const [heron, wren] = await pair('undo')
  await heron.goTo('Control+Home')
  await heron.type('mine\n')
  await agree('undo', [heron, wren], ['mine\n'])
  await wren.goTo('Control+End')
  await wren.type('yours')
  await agree('undo', [heron, wren], ['mine\nyours'])

  await heron.page.keyboard.press('Control+z')
  assert.equal(await agree('undo', [heron, wren], ['yours']), 'yours')
  await heron.page.keyboard.press('Control+y')
  assert.equal(await agree('undo', [heron, wren], ['mine']), 'mine\nyours')
  await leave(heron, wren)
})

test('the history shows the text as it was after each change', async () => {
  const heron = await Writer.join(chromium.browser, server.url, 'history', 'Heron')
  await heron.goTo('Control+Home')
  for (const sentence of ['First. ', 'Second. ', 'Third. ']) {
    await heron.type(sentence)
    await agree('history', [heron], [sentence])
  }
  const { page } = heron
  await page.locator('#history-toggle').click()
  const slider = page.getByRole('slider', { name: 'Change shown' })
  const past = async (index) => {
    await page.locator(`#past[data-index="${index}"]`).waitFor()
    return page.locator('#past').textContent()
  }
  const { changes } = await describe('history')
  assert.equal(await past(changes), 'First. Second. Third. ')

  await slider.press('Home')
  assert.equal(await past(0), '')
  for (let index = 1; index <= changes; index += 1) {
    await slider.press('ArrowRight')
    assert.equal(await past(index), await content('history', `&index=${index}`))
    assert.match(await page.locator('#fact-change').textContent(), /^\d+\.\d+$/)
  }
  await page.getByRole('button', { name: 'One change earlier' }).click()
  assert.notEqual(await past(changes - 1), 'First. Second. Third. ')
  assert.match(await page.locator('#position').textContent(), new RegExp(`^Change ${changes - 1} of ${changes}$`))
  await page.keyboard.press('Escape')
  await page.locator('#history').waitFor({ state: 'hidden' })
  await leave(heron)
})

test('a history that stands at the end follows what is written', async () => {
  const [heron, wren] = await pair('follow')
  await heron.page.locator('#history-toggle').click()
  await until(async () => (await heron.page.locator('#position').textContent()) === 'No changes yet', 'the history is empty')
  await wren.goTo('Control+Home')
  await wren.type('as it is written')
  await until(async () => (await heron.page.locator('#past').textContent()) === 'as it is written', 'the history has followed')
  await leave(heron, wren)
})

test('what is written while the server is away, on both sides, is merged when it is back', async (t) => {
  if (!server.ours) return t.skip('the server is not ours to stop')
  const [heron, wren] = await pair('away')
  await heron.goTo('Control+Home')
  await heron.type('between')
  await agree('away', [heron, wren], ['between'])

  for (const writer of [heron, wren]) writer.outage.expected = true
  await server.stop('SIGKILL')
  await Promise.all([heron.see('offline'), wren.see('offline')])
  assert.match(await heron.page.locator('#banner').textContent(), /^You are offline/)
  await heron.goTo('Control+Home')
  await heron.type('before ')
  await wren.goTo('Control+End')
  await wren.type(' and after 🌙')

  await server.start()
  await Promise.all([heron.see('connected'), wren.see('connected')])
  for (const writer of [heron, wren]) writer.outage.expected = false
  assert.equal(await agree('away', [heron, wren], ['between']), 'before between and after 🌙')
  await leave(heron, wren)
})

async function pair(document) {
  const heron = await Writer.join(chromium.browser, server.url, document, 'Heron')
  const wren = await Writer.join(chromium.browser, server.url, document, 'Wren')
  await until(async () => (await heron.namesHere()).length === 2 && (await wren.namesHere()).length === 2, 'both see each other')
  return [heron, wren]
}

/** Waits until all screens and the server show one text that contains all these parts, and returns it. */
async function agree(document, writers, parts) {
  let texts
  const agreed = async () => {
    texts = await Promise.all([content(document), ...writers.map((writer) => writer.text())])
    return new Set(texts).size === 1 && parts.every((part) => texts[0].includes(part))
  }
  await until(agreed, 'all have the same text').catch((error) => assert.fail(`${error.message}; they had ${JSON.stringify(texts)}`))
  return texts[0]
}

async function content(document, more = '') {
  const answer = await fetch(`${server.url}/api/v1/workspaces/default/documents/${encodeURIComponent(document)}/content?format=text&field=codemirror${more}`)
  return answer.text()
}

async function describe(document) {
  const answer = await fetch(`${server.url}/api/v1/workspaces/default/documents/${encodeURIComponent(document)}`)
  return answer.json()
}

/** Closes their pages; nobody's browser may have complained about anything. */
async function leave(...writers) {
  for (const writer of writers) {
    await writer.context.close()
    assert.deepEqual(writer.complaints, [], `what ${writer.name}'s browser complained about`)
  }
}
