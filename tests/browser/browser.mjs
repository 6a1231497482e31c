/**
 * A real Chromium, and writers in it. Each writer has a browser context of their own, so that nothing passes between them
 * but through the server, and everything that the browser complains about is kept and must in the end be nothing.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium } from 'playwright-core'
import { untilIt } from './until.mjs'

const CHROMIUM = process.env.QUIRE_CHROMIUM ?? '/usr/bin/chromium'
const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
]
/** What Chromium itself reports while no server is there to be reached. */
const UNREACHABLE = /WebSocket connection to .* failed|net::ERR_CONNECTION_REFUSED/

/** `flags`: more for Chromium. */
export async function launchBrowser(flags = []) {
  const profile = await mkdtemp(join(tmpdir(), 'quire-chromium-'))
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: [...FLAGS, ...flags], env: { ...process.env, HOME: profile } })
  return {
    browser,
    async close() {
      await browser.close()
      // Processes of the browser may write there for a moment still.
      await rm(profile, { recursive: true, force: true, maxRetries: 10 })
    },
  }
}

/** A page in a context of its own, with a record of its complaints. */
export async function openPage(browser, options = {}) {
  const context = await browser.newContext({ permissions: ['clipboard-read', 'clipboard-write'], ...options })
  const page = await context.newPage()
  const complaints = []
  const outage = { expected: false }
  page.on('console', (message) => {
    const expected = outage.expected && UNREACHABLE.test(message.text())
    if (['error', 'warning'].includes(message.type()) && !expected) complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(String(error)))
  await page.addInitScript(reportViolations)
  return { context, page, complaints, outage }
}

function reportViolations() {
  addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => {
    console.error(`policy violated: ${violatedDirective} by ${blockedURI}`)
  })
}

/** A person in the editor, and what can be asked of their screen. */
export class Writer {
  static path = '/edit'
  static field = 'codemirror'
  static settled = 'connected'
  static places = { content: '#editor .cm-content', line: '.cm-line', caret: '.cm-peer-caret', name: '.cm-peer-name' }

  static async join(browser, url, document, name) {
    const writer = new this(await openPage(browser))
    await writer.page.goto(`${url}${this.path}?document=${encodeURIComponent(document)}`)
    await writer.see(this.settled)
    await writer.callMyself(name)
    return writer
  }

  constructor({ context, page, complaints, outage }) {
    Object.assign(this, { context, page, complaints, outage, places: this.constructor.places })
    this.content = page.locator(this.places.content)
  }

  async callMyself(name) {
    await this.page.locator('#identity-open').click()
    await this.page.getByRole('textbox', { name: 'Name' }).fill(name)
    await this.page.getByRole('button', { name: 'Save' }).click()
    this.name = name
  }

  see(word) {
    return this.page.locator(`#connection[data-state="${word}"]`).waitFor()
  }

  async goTo(key) {
    await this.content.focus()
    await this.page.keyboard.press(key)
  }

  type(text) {
    return this.page.keyboard.type(text, { delay: 3 })
  }

  /** Types all of it in one stroke, so that it is undone in one as well, however slow the machine. */
  typeAtOnce(text) {
    return this.page.keyboard.insertText(text)
  }

  async paste(text) {
    await this.page.evaluate((copied) => navigator.clipboard.writeText(copied), text)
    await this.page.keyboard.press('Control+V')
  }

  /** The text on the screen, without the carets of others that stand in it. */
  text() {
    return this.content.evaluate((content, { line, caret }) => {
      const copy = content.cloneNode(true)
      copy.querySelectorAll(`${caret}, .cm-placeholder`).forEach((widget) => widget.remove())
      return [...copy.querySelectorAll(line)].map((line) => line.textContent).join('\n')
    }, this.places)
  }

  /** Waits until exactly these people are shown, this one first. */
  seesHere(...names) {
    const look = async () => {
      const labels = await this.page.locator('#people .unseen').allTextContents()
      return labels.map((label) => label.replace(' (you)', '')).join('; ')
    }
    return untilIt(look, names.join('; '), `${this.name} sees who is here`)
  }

  /** Waits until the carets of exactly these people are shown. */
  seesCaretsOf(...names) {
    const look = async () => (await this.page.locator(`#editor ${this.places.name}`).allTextContents()).join('; ')
    return untilIt(look, names.join('; '), `${this.name} sees the carets`)
  }
}

/** The same person where text is rich. */
export class RichWriter extends Writer {
  static path = '/write'
  static field = 'default'
  static settled = 'saved'
  static places = { content: '#editor .prose', line: 'p, h2, li', caret: '.peer-caret', name: '.peer-name' }
}

/** The same person in a document of ShareDB's rich text. */
export class QuillWriter extends Writer {
  static path = '/quill'
  static settled = 'saved'
  static places = { content: '#editor .ql-editor', line: 'p, h2, li, blockquote', caret: '.peer-caret', name: '.peer-name' }
}

/** The same person in a document of ShareDB's JSON, behind a form; their text is what it is about. */
export class FormWriter extends Writer {
  static path = '/form'
  static settled = 'saved'
  static places = { content: '#about' }

  text() {
    return this.content.inputValue()
  }

  /** What stands in the form, from top to bottom. */
  async form() {
    return this.page.evaluate(() => {
      const value = (id) => document.getElementById(id).value
      const task = (item) => `${item.querySelector('[type=checkbox]').checked ? '+' : '-'} ${item.querySelector('[type=text]').value}`
      return [value('title-field'), value('date'), document.getElementById('places').textContent, document.getElementById('open').checked, value('about'), ...[...document.querySelectorAll('#tasks li')].map(task)].join(' | ')
    })
  }

  /** The row of the task with these words. */
  async row(words) {
    const at = await this.page.locator('#tasks [type=text]').evaluateAll((fields, words) => fields.findIndex(({ value }) => value === words), words)
    if (at < 0) throw new Error(`${this.name} sees no task "${words}"`)
    return this.page.locator('#tasks li').nth(at)
  }

  async addTask(words) {
    await this.page.getByRole('button', { name: 'Add a task' }).click()
    await this.type(words)
  }

  /** Waits until exactly this is said of who is in a field. */
  seesIn(field, names) {
    const look = async () => (await this.page.locator(`[data-field="${field}"] .here`).allTextContents()).join('; ')
    return untilIt(look, names, `${this.name} sees who is in ${field}`)
  }
}

/** The same person at a board of Automerge; their text is its notes. */
export class BoardWriter extends Writer {
  static path = '/board'
  static field = 'text'
  static settled = 'saved'

  /** What stands on the board, column by column. */
  async board() {
    return this.page.evaluate(() => {
      const column = (section) => [section.querySelector('.column-title').value, ...[...section.querySelectorAll('.cards textarea')].map(({ value }) => value)].join(', ')
      return [...document.querySelectorAll('.column')].map(column).join(' | ')
    })
  }

  column(title) {
    return this.page.locator('.column').nth(['To do', 'Doing', 'Done'].indexOf(title))
  }

  /** The card with these words, wherever it goes from here. */
  async card(words) {
    const cards = await this.page.locator('.cards li').evaluateAll((items) => items.map((item) => [item.dataset.field, item.querySelector('textarea').value]))
    const [field] = cards.find(([, value]) => value === words) ?? []
    if (field === undefined) throw new Error(`${this.name} sees no card "${words}"`)
    return this.page.locator(`[data-field="${field}"]`)
  }

  async addCard(title, words) {
    await this.column(title).getByRole('button', { name: 'Add a card' }).click()
    await this.type(words)
  }

  /** Presses keys on the grip of a card. */
  async steer(words, ...keys) {
    await (await this.card(words)).locator('.grip').focus()
    for (const key of keys) await this.page.keyboard.press(key)
  }

  /** Waits until exactly this is said of who is on the card with these words. */
  seesOn(words, names) {
    const look = async () => (await (await this.card(words)).locator('.here').allTextContents()).join('; ')
    return untilIt(look, names, `${this.name} sees who is on "${words}"`)
  }
}
