/**
 * A document of ShareDB's client, from the socket to the word that is shown: who may come in, the connection that comes
 * back, the people, and whether all that was written is acknowledged. A sheet shows the document and writes in it.
 */
import type { Connection, Doc, Failure } from 'sharedb/lib/client'
import { accessTo } from './access.ts'
import { nameOf, type Address } from './address.ts'
import { shareIdentity, showPeople } from './desk.ts'
import { byId, element, say } from './dom.ts'
import { endingOf } from './ending.ts'
import { Notices } from './notices.ts'
import { helped } from './remedy.ts'
import type { Room } from './room.ts'
import { Saving } from './saving.ts'
import { Wire } from './wire.ts'

const EMPTY = 'There is no such document yet, and you may not begin it.'
const DELETED = 'This document was deleted. What you see is what was left in this tab.'
const ALREADY_CREATED = 'ERR_DOC_ALREADY_CREATED'

/** What the document is shown on. */
export interface Sheet {
  /** The type of the documents that it shows, and what a new one holds. */
  readonly type: string
  readonly blank: unknown
  /** Once, before anything is shown; gives who is here. */
  attach(doc: Doc, connection: Connection): Room
  /** The whole document is there, or there anew. */
  load(): void
  allowWriting(may: boolean): void
}

/** The document as it stands in the client. */
interface Shared {
  wire: Wire
  doc: Doc
}

export class Sharing {
  readonly #notices = new Notices()
  readonly #saving = new Saving((word, before) => this.#notices.show(word, before, this.unsaved))
  #shared: Shared | null = null
  #mayWrite = true
  /** Whether the document is there, and was acknowledged if we began it. */
  #isThere = false

  constructor(
    private readonly address: Address,
    private readonly sheet: Sheet,
    private readonly changed: () => void,
  ) {}

  /** Lets this person in as soon as they may read the document, with the token that they have by then. */
  async enter(): Promise<void> {
    const access = await accessTo(nameOf(this.address), byId('banner'))
    say(byId('banner'), null)
    this.#mayWrite = access.mayWrite
    byId('history-toggle').hidden = !access.maySeeHistory
    this.#notices.isShut = false
    if (this.#shared === null) this.#shared = this.#open()
    else this.#shared.wire.open()
  }

  get unsaved(): boolean {
    return this.#shared?.doc.hasWritePending() ?? false
  }

  /** Says goodbye when the page goes, rather than leaving a caret behind. */
  leave(): void {
    this.#shared?.wire.leave()
  }

  /** The browser has revived the page. */
  comeBack(): void {
    if (!this.#notices.isShut) this.#shared?.wire.open()
  }

  #open(): Shared {
    const wire = new Wire((code, reason) => void this.#ended(code, reason))
    const { connection } = wire
    const doc = connection.get(this.address.collection, this.address.id)
    this.#listen(connection, doc)
    const room = this.sheet.attach(doc, connection)
    showPeople(room)
    shareIdentity(room)
    return { wire, doc }
  }

  #listen(connection: Connection, doc: Doc): void {
    connection.on('state', () => this.#look())
    connection.on('error', (failure: Failure) => this.#refused(failure))
    doc.on('load', () => this.#loaded(doc))
    doc.on('create', () => this.#loaded(doc))
    doc.on('del', () => this.#deleted())
    doc.on('op', () => (this.#look(), this.changed()))
    doc.on('no write pending', () => this.#look())
    doc.on('error', (failure: Failure) => this.#refused(failure))
    doc.subscribe((failure) => (failure ? this.#end(inWords(failure)) : this.#subscribed(doc)))
  }

  #subscribed(doc: Doc): void {
    if (doc.type !== null) return this.#look()
    if (!this.#mayWrite) return say(byId('banner'), EMPTY)
    doc.create(this.sheet.blank, this.sheet.type, (failure) => {
      // Somebody else was as quick; theirs is loaded.
      if (failure && failure.code !== ALREADY_CREATED) return this.#end(inWords(failure))
      this.#loaded(doc)
    })
  }

  /** There are two ways here: the server has sent the document, or we have begun it. */
  #loaded(doc: Doc): void {
    if (doc.type === null || doc.hasWritePending()) return
    if (doc.type.uri !== this.sheet.type) return this.#end(`This document is of another type (${doc.type.name}), which is not shown here.`)
    this.#isThere = true
    if ([EMPTY, DELETED].includes(byId('banner').textContent ?? '')) say(byId('banner'), null)
    this.sheet.load()
    this.sheet.allowWriting(this.#mayWrite)
    this.#look()
    this.changed()
  }

  #deleted(): void {
    this.#isThere = false
    this.sheet.allowWriting(false)
    say(byId('banner'), DELETED)
    this.#look()
  }

  #look(): void {
    const inSync = this.#isThere && this.#shared !== null && this.#shared.doc.subscribed && !this.#notices.isShut
    this.#saving.stands({ inSync, unsaved: this.unsaved, refused: false, mayWrite: this.#mayWrite })
    // The first key that is pressed offline changes what is to be said about being offline.
    if (this.#saving.word === 'offline') this.#notices.explain('offline', 'offline', this.unsaved)
  }

  /** The client has taken back what was refused, and has the document from the server again. */
  #refused(failure: Failure): void {
    const understood = element('button', { type: 'button' }, 'All right')
    understood.addEventListener('click', () => say(byId('banner'), null))
    byId('banner').replaceChildren(element('span', {}, inWords(failure)), understood)
    byId('banner').hidden = false
    this.#look()
  }

  #end(sentence: string): void {
    this.#notices.isShut = true
    this.sheet.allowWriting(false)
    this.#saving.ended()
    say(byId('banner'), sentence)
  }

  /** Whoever may not go on keeps their words in sight, and can go on with them once something has helped. */
  async #ended(code: number, reason: string): Promise<void> {
    const ending = endingOf(code, reason, this.unsaved)
    this.#end(ending.words)
    if (!(await helped(byId('banner'), ending))) return
    await this.enter()
    this.sheet.allowWriting(this.#isThere && this.#mayWrite)
  }
}

function inWords({ message }: Failure): string {
  return `The server does not take this: ${message.replace(/\.$/, '')}.`
}
