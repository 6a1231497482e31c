/**
 * The form page, which is the unmodified ShareDB client on a JSON document: many fill it in at once, see who is in which
 * field, look into its past, and lose nothing when the server dies and comes back.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FormWriter } from './browser.mjs'
import { leave, setStage } from './stage.mjs'
import { until, untilIt } from './until.mjs'

const stage = setStage()

test('every field of the form is the same for all, and is there after a reload', async () => {
  const [heron, wren] = await both('fair')
  await heron.page.getByLabel('Title').fill('Harbour fair')
  await wren.page.getByLabel('Day').fill('2026-12-05')
  await heron.page.getByLabel('Open to all').check()
  await Promise.all([heron, wren, heron].map(({ page }) => page.getByRole('button', { name: 'One place more' }).click()))
  await wren.goTo('Control+End')
  await wren.type('Stalls along the quay.')
  const filled = 'Harbour fair | 2026-12-05 | 3 | true | Stalls along the quay.'
  await agreeOn([heron, wren], filled)
  await Promise.all([heron.see('saved'), wren.see('saved')])
  await heron.page.reload()
  await heron.see('saved')
  await agreeOn([heron], filled)
  const stored = await stage.data('forms/fair')
  assert.deepEqual(stored, { title: 'Harbour fair', about: 'Stalls along the quay.', date: '2026-12-05', places: 3, open: true, tasks: [] })
  await leave(heron, wren)
})

test('two who write in one field at once both have their words in it, and their carets where they were', async () => {
  const [heron, wren] = await both('one field')
  await heron.goTo('Control+Home')
  await heron.type('quay')
  await untilIt(() => wren.text(), 'quay', 'wren sees it')
  await heron.goTo('Control+Home')
  await wren.goTo('Control+End')
  await Promise.all([heron.type('Stalls 🌊 along the '), wren.type(', and the lifeboat 👩‍🚀.')])
  for (const writer of [heron, wren]) await untilIt(() => writer.text(), 'Stalls 🌊 along the quay, and the lifeboat 👩‍🚀.', `${writer.name} has both`)
  await leave(heron, wren)
})

test('tasks are added, ticked, put in another order and taken out by both at once', async () => {
  const [heron, wren] = await both('tasks')
  for (const words of ['lanterns', 'posters', 'stalls', 'music']) await heron.addTask(words)
  await agreeOn([heron, wren], ' |  | 0 | false |  | - lanterns | - posters | - stalls | - music')

  const [music, posters] = [await heron.row('music'), await wren.row('posters')]
  const upwards = music.locator('.grip').focus().then(async () => {
    for (let times = 0; times < 3; times += 1) await heron.page.keyboard.press('ArrowUp')
  })
  await Promise.all([upwards, posters.locator('[type=checkbox]').check()])
  await agreeOn([heron, wren], ' |  | 0 | false |  | - music | - lanterns | + posters | - stalls')

  await drag(wren, 'lanterns', 'stalls')
  await agreeOn([heron, wren], ' |  | 0 | false |  | - music | + posters | - stalls | - lanterns')
  await (await heron.row('posters')).getByRole('button', { name: 'Remove this task' }).click()
  await agreeOn([heron, wren], ' |  | 0 | false |  | - music | - stalls | - lanterns')
  await leave(heron, wren)
})

test('whoever writes in a task goes on writing in it while others move it', async () => {
  const [heron, wren] = await both('moved')
  for (const words of ['lanterns', 'posters']) await heron.addTask(words)
  await agreeOn([heron, wren], ' |  | 0 | false |  | - lanterns | - posters')
  await heron.type(' for the')
  await (await wren.row('lanterns')).locator('.grip').focus()
  await wren.page.keyboard.press('ArrowDown')
  await untilIt(() => heron.form(), ' |  | 0 | false |  | - posters for the | - lanterns', 'heron sees the move')
  await heron.type(' quay')
  await agreeOn([heron, wren], ' |  | 0 | false |  | - posters for the quay | - lanterns')
  await leave(heron, wren)
})

test('everybody sees who is in which field, until the moment they leave', async () => {
  const [heron, wren] = await stage.pair(FormWriter, 'who is where')
  await wren.page.getByLabel('Title').focus()
  await heron.seesIn('title', 'Wren')
  await wren.page.getByLabel('About').focus()
  await heron.seesIn('title', '')
  await heron.seesIn('about', 'Wren')
  await wren.callMyself('Jenny')
  await wren.page.getByLabel('About').focus()
  await heron.seesIn('about', 'Jenny')
  await leave(wren)
  await heron.seesIn('about', '')
  await heron.seesHere('Heron')
  await leave(heron)
})

test('the history shows the form as it was', async () => {
  const heron = await stage.join(FormWriter, 'history', 'Heron')
  await heron.page.getByLabel('Title').fill('Fair')
  await heron.see('saved')
  const { changes } = await stage.describe('forms/history')
  await heron.addTask('lanterns')
  await heron.see('saved')
  await heron.page.locator('#history-toggle').click()
  const past = heron.page.locator('#past')
  await until(async () => /Fair.*lanterns/s.test(await past.textContent()), 'the plan as it is')
  await heron.page.locator('#moment').fill(String(changes))
  await heron.page.locator(`#past[data-index="${changes}"]`).waitFor()
  assert.equal(await past.locator('h3').textContent(), 'Fair')
  assert.equal(await past.locator('li').count(), 0)
  await leave(heron)
})

test('what is filled in while the server is away, on both sides, is merged when it is back', async (t) => {
  if (!stage.server.ours) return t.skip('the server is not ours to stop')
  const [heron, wren] = await both('away')
  await heron.goTo('Control+Home')
  await heron.type('between')
  await agreeOn([heron, wren], ' |  | 0 | false | between')
  await Promise.all([heron.see('saved'), wren.see('saved')])
  for (const writer of [heron, wren]) writer.outage.expected = true
  await stage.server.stop('SIGKILL')
  await Promise.all([heron.see('offline'), wren.see('offline')])
  await heron.goTo('Control+Home')
  await heron.type('before ')
  await heron.addTask('lanterns')
  await wren.goTo('Control+End')
  await wren.type(' and after 🌙')
  await wren.page.getByRole('button', { name: 'One place more' }).click()

  await stage.server.start()
  await Promise.all([heron.see('saved'), wren.see('saved')])
  for (const writer of [heron, wren]) writer.outage.expected = false
  await agreeOn([heron, wren], ' |  | 1 | false | before between and after 🌙 | - lanterns')
  await leave(heron, wren)
})

/** Two people at one form. */
async function both(document) {
  return [await stage.join(FormWriter, document, 'Heron'), await stage.join(FormWriter, document, 'Wren')]
}

async function agreeOn(writers, form) {
  for (const writer of writers) await untilIt(() => writer.form(), form, `${writer.name} sees the form so`)
}

/** Takes one task by its grip and puts it where another is. */
async function drag(writer, words, onto) {
  const { mouse } = writer.page
  const middle = async (place) => {
    const { x, y, width, height } = await place.boundingBox()
    return [x + width / 2, y + height / 2]
  }
  await mouse.move(...(await middle((await writer.row(words)).locator('.grip'))))
  await mouse.down()
  await mouse.move(...(await middle((await writer.row(onto)).locator('.grip'))), { steps: 8 })
  await mouse.up()
}
