/**
 * The Quill page, which is the unmodified ShareDB client: two people write at once and see each other, look into the past,
 * and lose nothing when the server dies and comes back, whatever they were told is saved.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { QuillWriter } from './browser.mjs'
import { leave, setStage } from './stage.mjs'
import { until, untilIt } from './until.mjs'

const stage = setStage()

test('two writers who type and paste at once end with one text, which the server has too', async () => {
  const [heron, wren] = await stage.pair(QuillWriter, 'at once')
  await heron.goTo('Control+Home')
  await heron.type('top bottom')
  await agreeOn('at once', [heron, wren], 'top bottom')

  await heron.goTo('Control+Home')
  await wren.goTo('Control+End')
  await Promise.all([
    heron.type('Every evening the keeper climbed 🌊 the steps. '),
    wren.type(' Il répondit 👩‍🚀 à la mer.').then(() => wren.paste(' Ninety-one steps.')),
  ])
  await agreeOn('at once', [heron, wren], 'Every evening the keeper climbed 🌊 the steps. top bottom Il répondit 👩‍🚀 à la mer. Ninety-one steps.')
  await leave(heron, wren)
})

test('writers see who is here and where, until the moment they leave', async () => {
  const [heron, wren] = await stage.pair(QuillWriter, 'who is here')
  await heron.goTo('Control+Home')
  await heron.type('We are two.')
  await wren.seesCaretsOf('Heron')
  await wren.goTo('Control+End')
  await heron.seesCaretsOf('Wren')
  await wren.page.keyboard.press('Shift+Control+ArrowLeft')
  await until(async () => (await heron.page.locator('#editor .peer-selection').count()) > 0, 'the selection is shown')

  await wren.callMyself('Jenny')
  await wren.goTo('Control+End')
  await heron.seesCaretsOf('Jenny')
  await heron.seesHere('Heron', 'Jenny')
  await leave(wren)
  await heron.seesHere('Heron')
  await heron.seesCaretsOf()
  await leave(heron)
})

test('a caret stays between its letters while the other writes before it', async () => {
  const [heron, wren] = await stage.pair(QuillWriter, 'carets')
  await heron.goTo('Control+Home')
  await heron.type('stay here')
  await wren.seesCaretsOf('Heron')
  const left = () => wren.page.locator('#editor .peer-caret').evaluate((caret) => caret.offsetLeft)
  const before = await left()
  await wren.goTo('Control+Home')
  await wren.type('please ')
  await agreeOn('carets', [heron, wren], 'please stay here')
  await until(async () => (await left()) > before, 'the caret has moved with its letters')
  await leave(heron, wren)
})

test('what is formatted, and what is pasted with its format, arrives so and is there after a reload', async () => {
  const [heron, wren] = await stage.pair(QuillWriter, 'formats')
  await heron.goTo('Control+Home')
  await heron.type('A title')
  await heron.page.getByRole('button', { name: 'Heading' }).click()
  await heron.page.keyboard.press('Enter')
  await heron.page.evaluate(() => {
    const markup = new Blob(['<p>pasted <b>bold</b> words</p>'], { type: 'text/html' })
    return navigator.clipboard.write([new ClipboardItem({ 'text/html': markup })])
  })
  await heron.page.keyboard.press('Control+V')
  await heron.page.keyboard.press('Enter')
  await heron.page.getByRole('button', { name: 'Checklist' }).click()
  await heron.type('Trim the wick')
  const tick = wren.content.locator('li:has-text("Trim the wick") .ql-ui')
  await tick.click()
  const formatted = (writer) => () => writer.content.locator('h2:text-is("A title") ~ p strong:text-is("bold")').count()
  const ticked = (writer) => () => writer.content.locator('li[data-list=checked]').count()
  for (const writer of [heron, wren]) {
    await until(formatted(writer), 'the formats have arrived')
    await until(ticked(writer), 'the task is ticked')
  }
  await Promise.all([heron.see('saved'), wren.see('saved')])
  await wren.page.reload()
  await wren.see('saved')
  await until(formatted(wren), 'the formats are there again')
  await until(ticked(wren), 'the tick is there again')
  await leave(heron, wren)
})

test('undo takes back only my own words', async () => {
  const [heron, wren] = await stage.pair(QuillWriter, 'undo')
  await heron.goTo('Control+Home')
  await heron.typeAtOnce('mine ')
  await agreeOn('undo', [heron, wren], 'mine ')
  await wren.goTo('Control+End')
  await wren.type('yours')
  await agreeOn('undo', [heron, wren], 'mine yours')
  await heron.page.getByRole('button', { name: 'Undo' }).click()
  await agreeOn('undo', [heron, wren], 'yours')
  await heron.page.getByRole('button', { name: 'Redo' }).click()
  await agreeOn('undo', [heron, wren], 'mine yours')
  await leave(heron, wren)
})

test('the history shows the text as it was after each change, with its formats', async () => {
  const heron = await stage.join(QuillWriter, 'history', 'Heron')
  await heron.goTo('Control+Home')
  let written = ''
  for (const sentence of ['First. ', 'Second. ', 'Third. ']) {
    await heron.typeAtOnce(sentence)
    written += sentence
    await agreeOn('history', [heron], written)
  }
  await heron.page.getByRole('button', { name: 'Heading' }).click()
  await heron.see('saved')
  const { changes } = await stage.describe('texts/history')
  const { page } = heron
  await page.locator('#history-toggle').click()
  const slider = page.getByRole('slider', { name: 'Change shown' })
  const past = async (index) => {
    await page.locator(`#past[data-index="${index}"]`).waitFor()
    return page.locator('#past .ql-editor').innerText()
  }
  assert.equal((await past(changes)).trim(), written.trim())
  assert.equal(await page.locator('#past h2').count(), 1)
  await slider.press('Home')
  await past(0)
  for (let index = 1; index <= changes; index += 1) {
    await slider.press('ArrowRight')
    assert.equal((await past(index)).trim(), textOf(await stage.data('texts/history', `&index=${index}`)).trim())
  }
  await page.getByRole('button', { name: 'One change earlier' }).click()
  assert.equal((await past(changes - 1)).trim(), written.trim())
  assert.equal(await page.locator('#past h2').count(), 0)
  await page.keyboard.press('Escape')
  await page.locator('#history').waitFor({ state: 'hidden' })
  await leave(heron)
})

test('what was called saved is there after a kill in the midst of typing', async (t) => {
  if (!stage.server.ours) return t.skip('the server is not ours to stop')
  for (const round of [1, 2, 3]) {
    const document = `killed ${round}`
    const heron = await stage.join(QuillWriter, document, 'Heron')
    await heron.page.evaluate(noteWhatIsSaved)
    await heron.goTo('Control+Home')
    await heron.type('The first words')
    await heron.see('saving')
    await heron.see('saved')
    heron.outage.expected = true
    const typing = heron.type(' and many more words, one after the other, while the server dies'.repeat(round)).catch(() => {})
    await until(async () => (await heron.text()).length > 20 * round, 'the typing is under way')
    await stage.server.stop('SIGKILL')
    const saved = await heron.page.evaluate(() => window.saved)
    // Nobody may give back what the server has lost.
    await heron.context.close()
    await typing
    await stage.server.start()
    const stored = textOf(await stage.data(`texts/${document}`))
    assert.ok(saved.startsWith('The first words'), `"${saved}" was called saved`)
    assert.ok(stored.startsWith(saved), `"${saved}" was called saved, and "${stored}" is stored`)
    assert.deepEqual(heron.complaints, [])
  }
})

test('what is written while the server is away, on both sides, is merged when it is back', async (t) => {
  if (!stage.server.ours) return t.skip('the server is not ours to stop')
  const [heron, wren] = await stage.pair(QuillWriter, 'away')
  await heron.goTo('Control+Home')
  await heron.type('between')
  await agreeOn('away', [heron, wren], 'between')
  await heron.see('saved')

  for (const writer of [heron, wren]) writer.outage.expected = true
  await stage.server.stop('SIGKILL')
  await Promise.all([heron.see('offline'), wren.see('offline')])
  const banner = heron.page.locator('#banner')
  assert.match(await banner.textContent(), /all that you wrote is saved/)
  await heron.seesHere('Heron')
  await heron.goTo('Control+Home')
  await heron.type('before ')
  assert.match(await banner.textContent(), /not saved yet/)
  await wren.goTo('Control+End')
  await wren.type(' and after 🌙')

  await stage.server.start()
  await Promise.all([heron.see('saved'), wren.see('saved')])
  for (const writer of [heron, wren]) writer.outage.expected = false
  await agreeOn('away', [heron, wren], 'before between and after 🌙')
  await heron.seesHere('Heron', 'Wren')
  await banner.waitFor({ state: 'hidden' })
  await leave(heron, wren)
})

/** Waits until the server and all screens show this text. */
async function agreeOn(document, writers, text) {
  await untilIt(async () => textOf(await stage.data(`texts/${document}`)).replace(/\n$/, ''), text, 'the server has the text')
  for (const writer of writers) await untilIt(() => writer.text(), text, `${writer.name} has the text`)
}

/** The text of a document; none before its first change. */
function textOf(delta) {
  return (delta?.ops ?? []).map(({ insert }) => insert).join('')
}

/** Keeps, in the page itself, the text that was on the screen whenever it said that all is saved. */
function noteWhatIsSaved() {
  const [word, text] = ['#connection', '#editor .ql-editor'].map((place) => document.querySelector(place))
  const look = () => {
    if (word.dataset.state === 'saved') window.saved = text.textContent
  }
  new MutationObserver(look).observe(word, { attributes: true })
  look()
}
