/**
 * What a file of tests with a server and a browser begins and ends with, and what all of them ask: a server of its own
 * and a Chromium while the file runs, two people in a document of it, and whether all have the same text.
 */
import assert from 'node:assert/strict'
import { after, before } from 'node:test'
import { launchBrowser } from './browser.mjs'
import { startServer } from './server.mjs'
import { untilIt } from './until.mjs'

/**
 * Sets the stage for the tests of a file: it is there when the first one runs, and gone after the last. `printed`:
 * addresses that pages print, which lead to the server for its browser.
 */
export function setStage({ printed = [] } = {}) {
  const stage = new Stage(printed)
  before(() => stage.open())
  after(() => stage.close())
  return stage
}

class Stage {
  constructor(printed) {
    this.printed = printed
  }

  async open() {
    this.server = await startServer()
    const rules = this.printed.map((address) => `MAP ${address} ${new URL(this.server.url).host}`)
    this.chromium = await launchBrowser([`--host-resolver-rules=${rules.join(',')}`])
    this.browser = this.chromium.browser
  }

  async close() {
    await this.chromium?.close()
    await this.server?.remove()
  }

  /** Somebody in a document, as a kind of writer. */
  join(Kind, document, name) {
    return Kind.join(this.browser, this.server.url, document, name)
  }

  /** Two of a kind in a document, who see each other. */
  async pair(Kind, document) {
    const [heron, wren] = [await this.join(Kind, document, 'Heron'), await this.join(Kind, document, 'Wren')]
    await heron.seesHere('Heron', 'Wren')
    await wren.seesHere('Wren', 'Heron')
    return [heron, wren]
  }

  /** Waits until the server and all screens show this text. */
  async agreeOn(document, writers, text) {
    const { field } = writers[0].constructor
    await untilIt(() => this.content(document, field), text, 'the server has the text')
    for (const writer of writers) await untilIt(() => writer.text(), text, `${writer.name} has the text`)
  }

  /** What the server has stored of a text, without its marks; `more` is added to the question. */
  async content(document, field, more = '') {
    const answer = await fetch(`${this.address(document)}/content?format=text&field=${field}${more}`)
    return (await answer.text()).replace(/<[^>]*>/g, '')
  }

  /** What the server has stored of a document of ShareDB; `more` is added to the question. */
  async data(document, more = '') {
    const answer = await fetch(`${this.address(document)}/content?format=json${more}`)
    return answer.json()
  }

  /** What the server says of a document. */
  async describe(document) {
    const answer = await fetch(this.address(document))
    return answer.json()
  }

  /** Where the API has a document. */
  address(document) {
    return `${this.server.url}/api/v1/workspaces/default/documents/${encodeURIComponent(document)}`
  }
}

/** Closes their pages; nobody's browser may have complained about anything. */
export async function leave(...writers) {
  for (const writer of writers) {
    await writer.context.close()
    assert.deepEqual(writer.complaints, [], `what ${writer.name}'s browser complained about`)
  }
}
