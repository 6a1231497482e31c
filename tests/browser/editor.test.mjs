/**
 * Two people in one document: both type at once, see each other, undo their own words, look into the past, and lose
 * nothing when the server goes away for a while.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Writer } from './browser.mjs'
import { leave, setStage } from './stage.mjs'
import { until, untilIt } from './until.mjs'

const PASTED = 'From the notebook:\n\tninety-one steps,\n\n  one lantern.'

const stage = setStage()

test('two writers who type and paste at once end with one text, which the server has too', async () => {
  const [heron, wren] = await stage.pair(Writer, 'at once')
  await heron.goTo('Control+Home')
  await heron.type('top\nbottom')
  await stage.agreeOn('at once', [heron, wren], 'top\nbottom')

  await heron.goTo('Control+Home')
  await wren.goTo('Control+End')
  await Promise.all([
    heron.type('Every evening the keeper climbed 🌊 the steps. '),
    wren.type(' Il répondit 👩‍🚀 à la mer.').then(() => wren.paste(PASTED)),
  ])
  await stage.agreeOn('at once', [heron, wren], `Every evening the keeper climbed 🌊 the steps. top\nbottom Il répondit 👩‍🚀 à la mer.${PASTED}`)
  await leave(heron, wren)
})

test('writers see who is here and where, until the moment they leave', async () => {
  const [heron, wren] = await stage.pair(Writer, 'who is here')
  await heron.goTo('Control+Home')
  await heron.type('We are two.')
  await wren.seesCaretsOf('Heron')
  await wren.goTo('Control+End')
  await heron.seesCaretsOf('Wren')

  await wren.callMyself('Jenny')
  await heron.seesCaretsOf('Jenny')
  await heron.seesHere('Heron', 'Jenny')

  await leave(wren)
  await heron.seesHere('Heron')
  await heron.seesCaretsOf()
  await leave(heron)
})

test('the same person in two tabs is one person', async () => {
  const [heron, wren] = await stage.pair(Writer, 'two tabs')
  const second = await heron.context.newPage()
  await second.goto(heron.page.url())
  await wren.seesHere('Wren', 'Heron, in 2 tabs')
  await second.close()
  await wren.seesHere('Wren', 'Heron')
  await leave(heron, wren)
})

test('undo takes back only my own words', async () => {
  const [heron, wren] = await stage.pair(Writer, 'undo')
  await heron.goTo('Control+Home')
  await heron.typeAtOnce('mine\n')
  await stage.agreeOn('undo', [heron, wren], 'mine\n')
  await wren.goTo('Control+End')
  await wren.type('yours')
  await stage.agreeOn('undo', [heron, wren], 'mine\nyours')

  await heron.page.keyboard.press('Control+z')
  await stage.agreeOn('undo', [heron, wren], 'yours')
  await heron.page.keyboard.press('Control+y')
  await stage.agreeOn('undo', [heron, wren], 'mine\nyours')
  await leave(heron, wren)
})

test('the history shows the text as it was after each change', async () => {
  const heron = await stage.join(Writer, 'history', 'Heron')
  await heron.goTo('Control+Home')
  let written = ''
  for (const sentence of ['First. ', 'Second. ', 'Third. ']) {
    await heron.type(sentence)
    written += sentence
    await stage.agreeOn('history', [heron], written)
  }
  const changes = await changesOf('history', written)
  const { page } = heron
  await page.locator('#history-toggle').click()
  const slider = page.getByRole('slider', { name: 'Change shown' })
  const past = async (index) => {
    await page.locator(`#past[data-index="${index}"]`).waitFor()
    return page.locator('#past').textContent()
  }
  assert.equal(await past(changes), written)

  await slider.press('Home')
  assert.equal(await past(0), '')
  for (let index = 1; index <= changes; index += 1) {
    await slider.press('ArrowRight')
    assert.equal(await past(index), await stage.content('history', Writer.field, `&index=${index}`))
    assert.match(await page.locator('#fact-change').textContent(), /^\d+\.\d+$/)
  }
  await page.getByRole('button', { name: 'One change earlier' }).click()
  assert.notEqual(await past(changes - 1), written)
  assert.match(await page.locator('#position').textContent(), new RegExp(`^Change ${changes - 1} of ${changes}$`))
  await page.keyboard.press('Escape')
  await page.locator('#history').waitFor({ state: 'hidden' })
  await leave(heron)
})

test('a history that stands at the end follows what is written', async () => {
  const [heron, wren] = await stage.pair(Writer, 'follow')
  await heron.page.locator('#history-toggle').click()
  await until(async () => (await heron.page.locator('#position').textContent()) === 'No changes yet', 'the history is empty')
  await wren.goTo('Control+Home')
  await wren.type('as it is written')
  await until(async () => (await heron.page.locator('#past').textContent()) === 'as it is written', 'the history has followed')
  await leave(heron, wren)
})

test('what is written while the server is away, on both sides, is merged when it is back', async (t) => {
  if (!stage.server.ours) return t.skip('the server is not ours to stop')
  const [heron, wren] = await stage.pair(Writer, 'away')
  await heron.goTo('Control+Home')
  await heron.type('between')
  await stage.agreeOn('away', [heron, wren], 'between')

  for (const writer of [heron, wren]) writer.outage.expected = true
  await stage.server.stop('SIGKILL')
  await Promise.all([heron.see('offline'), wren.see('offline')])
  assert.match(await heron.page.locator('#banner').textContent(), /^You are offline/)
  await heron.goTo('Control+Home')
  await heron.type('before ')
  await wren.goTo('Control+End')
  await wren.type(' and after 🌙')

  await stage.server.start()
  await Promise.all([heron.see('connected'), wren.see('connected')])
  for (const writer of [heron, wren]) writer.outage.expected = false
  await stage.agreeOn('away', [heron, wren], 'before between and after 🌙')
  await leave(heron, wren)
})

/** How many changes of the document are stored, once the log of them gives this text. */
async function changesOf(document, text) {
  let changes
  const look = async () => {
    changes = (await stage.describe(document)).changes
    return stage.content(document, Writer.field, `&index=${changes}`)
  }
  await untilIt(look, text, 'all of it is stored')
  return changes
}
