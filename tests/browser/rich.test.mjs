/**
 * Rich text, beside plain text in the same document: one presence, two texts, and one word about what is saved that is
 * true whatever becomes of the server.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RichWriter, Writer } from './browser.mjs'
import { leave, setStage } from './stage.mjs'
import { until, untilIt } from './until.mjs'

const stage = setStage()

test('two in rich text and one in plain text see each other, and each text has its own words', async () => {
  const [heron, wren] = await stage.pair(RichWriter, 'both')
  const finch = await stage.join(Writer, 'both', 'Finch')
  await heron.seesHere('Heron', 'Finch', 'Wren')
  await wren.seesHere('Wren', 'Finch', 'Heron')
  await finch.seesHere('Finch', 'Heron', 'Wren')

  await heron.goTo('Control+Home')
  await heron.type('Rich words')
  await stage.agreeOn('both', [heron, wren], 'Rich words')
  await finch.goTo('Control+Home')
  await finch.type('Plain words')
  await untilIt(() => stage.content('both', Writer.field), 'Plain words', 'the server has the plain text')
  await wren.goTo('Control+End')
  await wren.type(', of two')
  await stage.agreeOn('both', [heron, wren], 'Rich words, of two')
  assert.equal(await finch.text(), 'Plain words')

  await heron.seesCaretsOf('Wren')
  await wren.seesCaretsOf('Heron')
  await finch.seesCaretsOf()
  await wren.callMyself('Jenny')
  await wren.goTo('Control+End')
  await heron.seesCaretsOf('Jenny')
  await finch.seesHere('Finch', 'Heron', 'Jenny')
  await leave(wren)
  await heron.seesHere('Heron', 'Finch')
  await finch.seesHere('Finch', 'Heron')
  await heron.seesCaretsOf()
  await leave(heron, finch)
})

test('what is formatted, and what is pasted with its format, arrives so and is there after a reload', async () => {
  const [heron, wren] = await stage.pair(RichWriter, 'formats')
  await heron.goTo('Control+Home')
  await heron.type('A title')
  await heron.page.getByRole('button', { name: 'Heading' }).click()
  await heron.page.keyboard.press('Enter')
  await heron.page.evaluate(() => {
    const markup = new Blob(['<p>pasted <b>bold</b> words</p>'], { type: 'text/html' })
    return navigator.clipboard.write([new ClipboardItem({ 'text/html': markup })])
  })
  await heron.page.keyboard.press('Control+V')
  const formatted = () => wren.content.locator('h2:text-is("A title") + p strong:text-is("bold")').count()
  await until(formatted, 'the formats have arrived')
  await heron.see('saved')
  await wren.page.reload()
  await wren.see('saved')
  await until(formatted, 'the formats are there again')
  await leave(heron, wren)
})

test('undo takes back only my own words', async () => {
  const [heron, wren] = await stage.pair(RichWriter, 'undo')
  await heron.goTo('Control+Home')
  await heron.typeAtOnce('mine ')
  await stage.agreeOn('undo', [heron, wren], 'mine ')
  await wren.goTo('Control+End')
  await wren.type('yours')
  await stage.agreeOn('undo', [heron, wren], 'mine yours')
  await heron.page.getByRole('button', { name: 'Undo' }).click()
  await stage.agreeOn('undo', [heron, wren], 'yours')
  await leave(heron, wren)
})

test('the way leads from one text to the other, and from the list to both', async () => {
  const heron = await stage.join(RichWriter, 'two ways/?', 'Heron')
  const { page } = heron
  await heron.goTo('Control+Home')
  await heron.type('here')
  await heron.see('saved')
  await page.getByRole('link', { name: 'Plain text' }).click()
  await page.locator('#connection[data-state=connected]').waitFor()
  assert.equal(await page.locator('#title').textContent(), 'two ways/?')
  await page.goto(stage.server.url)
  await page.getByRole('link', { name: 'two ways/?, rich text' }).click()
  await untilIt(() => heron.text(), 'here', 'the text is back')
  await page.goto(stage.server.url)
  await page.getByLabel('Name of the document').fill('two ways/?')
  await page.getByRole('button', { name: 'Open as rich text' }).click()
  await untilIt(() => heron.text(), 'here', 'the text is back once more')
  await leave(heron)
})

test('what was called saved is there after a kill in the midst of typing', async (t) => {
  if (!stage.server.ours) return t.skip('the server is not ours to stop')
  for (const round of [1, 2, 3]) {
    const document = `killed ${round}`
    const heron = await stage.join(RichWriter, document, 'Heron')
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
    const stored = await stage.content(document, RichWriter.field)
    assert.ok(saved.startsWith('The first words'), `"${saved}" was called saved`)
    assert.ok(stored.startsWith(saved), `"${saved}" was called saved, and "${stored}" is stored`)
    assert.deepEqual(heron.complaints, [])
  }
})

test('offline nothing is called saved that is not, and all of it is when the server is back', async (t) => {
  if (!stage.server.ours) return t.skip('the server is not ours to stop')
  const [heron, wren] = await stage.pair(RichWriter, 'away')
  await heron.goTo('Control+Home')
  await heron.type('between')
  await stage.agreeOn('away', [heron, wren], 'between')
  await heron.see('saved')

  for (const writer of [heron, wren]) writer.outage.expected = true
  await stage.server.stop('SIGKILL')
  await Promise.all([heron.see('offline'), wren.see('offline')])
  const banner = heron.page.locator('#banner')
  assert.match(await banner.textContent(), /all that you wrote is saved/)
  await heron.page.evaluate(noteWhatIsSaved)
  await heron.goTo('Control+Home')
  await heron.type('before ')
  assert.match(await banner.textContent(), /not saved yet/)
  await wren.goTo('Control+End')
  await wren.type(' and after 🌙')
  assert.equal(await heron.page.locator('#connection').textContent(), 'offline')

  await stage.server.start()
  await Promise.all([heron.see('saved'), wren.see('saved')])
  for (const writer of [heron, wren]) writer.outage.expected = false
  assert.match(await heron.page.evaluate(() => window.saved), /^before between/)
  await stage.agreeOn('away', [heron, wren], 'before between and after 🌙')
  await banner.waitFor({ state: 'hidden' })
  await leave(heron, wren)
})

/** Keeps, in the page itself, the text that was on the screen whenever it said that all is saved. */
function noteWhatIsSaved() {
  const [word, text] = ['#connection', '.prose'].map((place) => document.querySelector(place))
  const look = () => {
    if (word.dataset.state === 'saved') window.saved = text.textContent
  }
  new MutationObserver(look).observe(word, { attributes: true })
  look()
}
