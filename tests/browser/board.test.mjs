/**
 * The board page, which is the unmodified automerge-repo client: many write in its text and on its cards at once, see who is
 * where, look into its past, and lose nothing when the server dies and comes back, whatever they were told is saved.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { BoardWriter, openPage } from './browser.mjs'
import { leave, setStage } from './stage.mjs'
import { until, untilIt } from './until.mjs'

const EMPTY = 'To do | Doing | Done'

const stage = setStage()

test('two writers who type and paste at once end with one text, which the server has too', async () => {
  const [heron, wren] = await stage.pair(BoardWriter, 'at once')
  await heron.goTo('Control+Home')
  await heron.type('top bottom')
  await agreeOn('at once', [heron, wren], 'top bottom')

  await heron.goTo('Control+Home')
  await wren.goTo('Control+End')
  await Promise.all([
    heron.type('Every evening the keeper climbed 🌊 the steps. '),
    wren.type(' Il répondit 👩‍🚀 à la mer.').then(() => wren.paste('\r\nNinety-one steps.')),
  ])
  await agreeOn('at once', [heron, wren], 'Every evening the keeper climbed 🌊 the steps. top bottom Il répondit 👩‍🚀 à la mer.\nNinety-one steps.')
  await leave(heron, wren)
})

test('two who begin a board at the same moment begin the same board', async () => {
  const [heron, wren] = await Promise.all(['Heron', 'Wren'].map((name) => stage.join(BoardWriter, 'begun twice', name)))
  await Promise.all([heron.addCard('To do', 'lanterns'), wren.addCard('Done', 'music')])
  for (const writer of [heron, wren]) await seesBoard(writer, 'To do, lanterns | Doing | Done, music')
  const { title, columns } = await stage.data(idOf('begun twice'))
  assert.equal(title, 'begun twice')
  assert.deepEqual(columns.map(({ id }) => id), ['todo', 'doing', 'done'])
  await leave(heron, wren)
})

test('cards are added, written on, moved and taken out by both at once, and are there after a reload', async () => {
  const [heron, wren] = await stage.pair(BoardWriter, 'cards')
  for (const words of ['lanterns', 'posters', 'stalls']) await heron.addCard('To do', words)
  await wren.addCard('Done', 'music')
  for (const writer of [heron, wren]) await seesBoard(writer, 'To do, lanterns, posters, stalls | Doing | Done, music')

  await heron.steer('stalls', 'ArrowUp', 'ArrowUp')
  await wren.steer('posters', 'ArrowRight')
  for (const writer of [heron, wren]) await seesBoard(writer, 'To do, stalls, lanterns | Doing, posters | Done, music')

  await drag(wren, 'lanterns', 'music')
  for (const writer of [heron, wren]) await seesBoard(writer, 'To do, stalls | Doing, posters | Done, lanterns, music')
  await (await heron.card('posters')).getByRole('button', { name: 'Remove this card' }).click()
  await wren.column('Doing').getByLabel('Title of the column').fill('Under way')
  const settled = 'To do, stalls | Under way | Done, lanterns, music'
  for (const writer of [heron, wren]) await seesBoard(writer, settled)
  await Promise.all([heron.see('saved'), wren.see('saved')])
  await wren.page.reload()
  await wren.see('saved')
  await seesBoard(wren, settled)
  await leave(heron, wren)
})

test('who writes on a card goes on writing on it while the other moves it, and both have their words on it', async () => {
  const [heron, wren] = await stage.pair(BoardWriter, 'one card')
  await heron.addCard('To do', 'posters')
  await seesBoard(wren, 'To do, posters | Doing | Done')
  await heron.type(' for the')
  await seesBoard(wren, 'To do, posters for the | Doing | Done')
  await wren.steer('posters for the', 'ArrowRight')
  await seesBoard(heron, 'To do | Doing, posters for the | Done')
  await (await wren.card('posters for the')).locator('textarea').focus()
  await wren.page.keyboard.press('Control+Home')
  await Promise.all([heron.type(' quay 🌊'), wren.type('twelve ')])
  for (const writer of [heron, wren]) await seesBoard(writer, 'To do | Doing, twelve posters for the quay 🌊 | Done')
  await leave(heron, wren)
})

test('letters that are being composed on a card are not lost while the other writes on it', async () => {
  const [heron, wren] = await stage.pair(BoardWriter, 'composed')
  await heron.addCard('To do', 'quay')
  await seesBoard(wren, 'To do, quay | Doing | Done')
  const keyboard = await heron.context.newCDPSession(heron.page)
  await keyboard.send('Input.imeSetComposition', { text: 'にほ', selectionStart: 2, selectionEnd: 2 })
  await seesBoard(wren, 'To do, quayにほ | Doing | Done')
  await (await wren.card('quayにほ')).locator('textarea').focus()
  await wren.page.keyboard.press('Control+Home')
  await wren.type('the ')
  await untilIt(async () => Object.values((await stage.data(idOf('composed'))).cards)[0].text, 'the quayにほ', 'the server has both')
  assert.equal(await heron.board(), 'To do, quayにほ | Doing | Done')
  await keyboard.send('Input.insertText', { text: '日本' })
  for (const writer of [heron, wren]) await seesBoard(writer, 'To do, the quay日本 | Doing | Done')
  await leave(heron, wren)
})

test('a card that two people move at once stands in one place, whichever it is', async (t) => {
  if (!stage.server.ours) return t.skip('the server is not ours to stop')
  const [heron, wren] = await stage.pair(BoardWriter, 'moved twice')
  await heron.addCard('To do', 'posters')
  await seesBoard(wren, 'To do, posters | Doing | Done')
  await whileAway([heron, wren], async () => {
    await heron.steer('posters', 'ArrowRight')
    await wren.steer('posters', 'ArrowRight', 'ArrowRight')
    await (await wren.card('posters')).locator('textarea').fill('twelve posters')
  })
  await until(async () => (await heron.board()) === (await wren.board()), 'both see the same board')
  assert.ok(['To do | Doing, twelve posters | Done', 'To do | Doing | Done, twelve posters'].includes(await heron.board()), await heron.board())
  await leave(heron, wren)
})

test('writers see who is here and where, until the moment they leave', async () => {
  const [heron, wren] = await stage.pair(BoardWriter, 'who is here')
  await heron.goTo('Control+Home')
  await heron.type('We are two.')
  await wren.seesCaretsOf('Heron')
  await wren.goTo('Control+End')
  await heron.seesCaretsOf('Wren')
  await heron.addCard('To do', 'lanterns')
  await seesBoard(wren, 'To do, lanterns | Doing | Done')
  await wren.seesOn('lanterns', 'Heron')
  await heron.column('Done').getByLabel('Title of the column').focus()
  await wren.seesOn('lanterns', '')

  await wren.callMyself('Jenny')
  await (await wren.card('lanterns')).locator('textarea').focus()
  await heron.seesHere('Heron', 'Jenny')
  await heron.seesOn('lanterns', 'Jenny')
  await leave(wren)
  await heron.seesHere('Heron')
  await heron.seesOn('lanterns', '')
  await heron.seesCaretsOf()
  await leave(heron)
})

test('undo takes back only my own words', async () => {
  const [heron, wren] = await stage.pair(BoardWriter, 'undo')
  await heron.goTo('Control+Home')
  await heron.typeAtOnce('mine ')
  await agreeOn('undo', [heron, wren], 'mine ')
  await wren.goTo('Control+End')
  await wren.type('yours')
  await agreeOn('undo', [heron, wren], 'mine yours')
  await heron.goTo('Control+z')
  await agreeOn('undo', [heron, wren], 'yours')
  await heron.goTo('Control+y')
  await agreeOn('undo', [heron, wren], 'mine yours')
  await leave(heron, wren)
})

test('the history shows text and cards as they were', async () => {
  const heron = await stage.join(BoardWriter, 'history', 'Heron')
  await heron.goTo('Control+Home')
  await heron.typeAtOnce('On the quay.')
  await heron.addCard('To do', 'lanterns')
  await seesBoard(heron, 'To do, lanterns | Doing | Done')
  await heron.see('saved')
  const { changes } = await until(async () => {
    const info = await stage.describe(idOf('history'))
    return (await stage.data(idOf('history'))).text === 'On the quay.' && info
  }, 'all is stored')
  await heron.steer('lanterns', 'ArrowRight')
  await heron.see('saved')
  await heron.page.locator('#history-toggle').click()
  const past = heron.page.locator('#past')
  const shown = async () => (await past.locator('h3, .about, h4, li').allTextContents()).join(' | ')
  await untilIt(shown, 'history | On the quay. | To do | Doing | lanterns | Done', 'the board as it is')
  await heron.page.locator('#moment').fill(String(changes))
  await heron.page.locator(`#past[data-index="${changes}"]`).waitFor()
  assert.equal(await shown(), 'history | On the quay. | To do | lanterns | Doing | Done')
  await heron.page.locator('#moment').fill('1')
  await heron.page.locator('#past[data-index="1"]').waitFor()
  assert.equal(await shown(), 'history | To do | Doing | Done')
  await leave(heron)
})

test('what is written while the server is away, on both sides, is merged when it is back', async (t) => {
  if (!stage.server.ours) return t.skip('the server is not ours to stop')
  const [heron, wren] = await stage.pair(BoardWriter, 'away')
  await heron.goTo('Control+Home')
  await heron.type('between')
  await agreeOn('away', [heron, wren], 'between')
  await Promise.all([heron.see('saved'), wren.see('saved')])
  await whileAway([heron, wren], async () => {
    const banner = heron.page.locator('#banner')
    assert.match(await banner.textContent(), /all that you wrote is saved/)
    await heron.seesHere('Heron')
    await heron.goTo('Control+Home')
    await heron.type('before ')
    await untilIt(async () => /not saved yet/.test(await banner.textContent()), true, 'heron is told')
    await heron.addCard('To do', 'lanterns')
    await wren.goTo('Control+End')
    await wren.type(' and after 🌙')
    await wren.addCard('To do', 'posters')
  })
  await agreeOn('away', [heron, wren], 'before between and after 🌙')
  for (const writer of [heron, wren]) await until(async () => /^To do, (lanterns, posters|posters, lanterns) \| Doing \| Done$/.test(await writer.board()), 'both cards are there')
  await heron.seesHere('Heron', 'Wren')
  await leave(heron, wren)
})

test('what was called saved is there after a kill in the midst of typing', async (t) => {
  if (!stage.server.ours) return t.skip('the server is not ours to stop')
  for (const round of [1, 2, 3]) {
    const document = `killed ${round}`
    const heron = await stage.join(BoardWriter, document, 'Heron')
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
    const { text } = await stage.data(idOf(document))
    assert.ok(saved.startsWith('The first words'), `"${saved}" was called saved`)
    assert.ok(text.startsWith(saved), `"${saved}" was called saved, and "${text}" is stored`)
    assert.deepEqual(heron.complaints, [])
  }
})

test('a board is opened by its id as well, and goes by the name that it was begun with', async () => {
  const heron = await stage.join(BoardWriter, 'a board', 'Heron')
  await heron.page.goto(`${stage.server.url}/board?document=${idOf('a board')}`)
  await heron.see('saved')
  assert.equal(await heron.page.locator('#title').textContent(), 'a board')
  await seesBoard(heron, EMPTY)
  await leave(heron)
})

test('an id that nobody knows is waited for, and not begun', async () => {
  const id = idOf('waited for')
  const heron = new BoardWriter(await openPage(stage.browser))
  await heron.page.goto(`${stage.server.url}/board?document=${id}`)
  await heron.page.locator('#banner').filter({ hasText: 'There is no document of this id yet.' }).waitFor()
  const wren = await stage.join(BoardWriter, 'waited for', 'Wren')
  await heron.see('saved')
  await seesBoard(heron, EMPTY)
  await heron.page.locator('#banner').waitFor({ state: 'hidden' })
  await leave(heron, wren)
})

test('a board that is deleted stays in sight of who has it open, and is not begun again', async () => {
  const heron = await stage.join(BoardWriter, 'deleted', 'Heron')
  await heron.goTo('Control+Home')
  await heron.type('Still in sight.')
  await heron.see('saved')
  await fetch(stage.address(idOf('deleted')), { method: 'DELETE' })
  const told = (sentence) => heron.page.locator('#banner').filter({ hasText: sentence }).waitFor()
  await told('This board was deleted.')
  assert.equal(await heron.text(), 'Still in sight.')
  assert.equal(await heron.content.getAttribute('contenteditable'), 'false')
  await heron.page.reload()
  await told('This board cannot be opened. The document was deleted.')
  assert.equal(await heron.page.locator('#board').isVisible(), false)
  await leave(heron)
})

test('a board with long words fits a screen 360 pixels wide, its columns one below the other, and is dark at night', async () => {
  const wren = new BoardWriter(await openPage(stage.browser, { viewport: { width: 360, height: 640 }, colorScheme: 'dark' }))
  await wren.page.goto(`${stage.server.url}/board?document=narrow`)
  await wren.see('saved')
  await wren.goTo('Control+Home')
  await wren.typeAtOnce('long'.repeat(40))
  await wren.addCard('Doing', 'longer'.repeat(20))
  await wren.see('saved')
  for (const place of ['html', '.sheet', '.column', '.cards li']) {
    const fits = ({ scrollWidth, clientWidth }) => scrollWidth <= clientWidth
    assert.ok(await wren.page.locator(place).first().evaluate(fits), `${place} is too wide`)
  }
  const [above, below] = await Promise.all(['To do', 'Doing'].map((title) => wren.column(title).boundingBox()))
  assert.ok(below.y >= above.y + above.height && below.x === above.x)
  const paper = await wren.page.locator('.cards li').first().evaluate((card) => getComputedStyle(card).backgroundColor)
  assert.ok(paper.match(/\d+/g).every((part) => Number(part) < 64), paper)
  await leave(wren)
})

/** Does something while nobody reaches the server, and waits until all is saved again. */
async function whileAway(writers, what) {
  for (const writer of writers) writer.outage.expected = true
  await stage.server.stop('SIGKILL')
  await Promise.all(writers.map((writer) => writer.see('offline')))
  await what()
  await stage.server.start()
  await Promise.all(writers.map((writer) => writer.see('saved')))
  for (const writer of writers) writer.outage.expected = false
}

/** Waits until the server and all screens show this text. */
async function agreeOn(document, writers, text) {
  await untilIt(async () => (await stage.data(idOf(document))).text, text, 'the server has the text')
  for (const writer of writers) await untilIt(() => writer.text(), text, `${writer.name} has the text`)
}

function seesBoard(writer, board) {
  return untilIt(() => writer.board(), board, `${writer.name} sees the board so`)
}

/** Takes one card by its grip and puts it where another is. */
async function drag(writer, words, onto) {
  const { mouse } = writer.page
  const middle = async (place) => {
    const { x, y, width, height } = await place.boundingBox()
    return [x + width / 2, y + height / 2]
  }
  await mouse.move(...(await middle((await writer.card(words)).locator('.grip'))))
  await mouse.down()
  const [x, y] = await middle((await writer.card(onto)).locator('.grip'))
  await mouse.move(x, y - 4, { steps: 8 })
  await mouse.up()
}

/** Keeps, in the page itself, the text that was on the screen whenever it said that all is saved. */
function noteWhatIsSaved() {
  const word = document.querySelector('#connection')
  const text = document.querySelector('#editor').shadowRoot.querySelector('.cm-content')
  const look = () => {
    if (word.dataset.state === 'saved') window.saved = text.textContent
  }
  new MutationObserver(look).observe(word, { attributes: true })
  look()
}

/** The id that is made of a name: 16 bytes of its SHA-256 in base58, with a checksum. */
function idOf(name) {
  const hash = (bytes) => createHash('sha256').update(bytes).digest()
  const id = hash(name).subarray(0, 16)
  const bytes = Buffer.concat([id, hash(hash(id)).subarray(0, 4)])
  const letters = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
  const zeros = bytes.findIndex((byte) => byte !== 0)
  let [number, text] = [BigInt(`0x${bytes.toString('hex')}`), '']
  for (; number > 0n; number /= 58n) text = letters[Number(number % 58n)] + text
  return '1'.repeat(zeros) + text
}
