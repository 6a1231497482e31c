/**
 * A board in a repository of automerge-repo, from the socket to the word that is shown: who may come in, the line that comes
 * back, the people, and whether all that was written is stored. That is known from the heads of the document that the server
 * names: it names none that are not on disk.
 */
import { Repo, type DocHandle, type Message, type PeerId, type StorageId, type UrlHeads } from '@automerge/automerge-repo/slim'
import { accessTo } from './access.ts'
import { beginning } from './beginning.ts'
import type { BoardAddress } from './boardids.ts'
import type { BoardSheet } from './boardsheet.ts'
import { boardOf, isBoard } from './cards.ts'
import { shareIdentity, showPeople } from './desk.ts'
import { byId, say } from './dom.ts'
import { endingOf } from './ending.ts'
import { Gathering } from './gathering.ts'
import { Line } from './line.ts'
import { Notices } from './notices.ts'
import { helped } from './remedy.ts'
import { Saving } from './saving.ts'
import { currentToken } from './token.ts'

const EMPTY = 'There is no such board yet, and you may not begin it.'
const UNKNOWN = 'There is no document of this id yet. It is shown as soon as somebody brings it.'
const GONE = 'This board was deleted. What you see is what was left in this tab.'
const FOREIGN = 'This document of Automerge holds something else than a board, which is not shown here.'

export class Keeping {
  readonly #repo = new Repo()
  readonly #gathering = new Gathering()
  readonly #notices = new Notices()
  readonly #saving = new Saving((word, before) => this.#notices.show(word, before, this.unsaved))
  #line: Line | null = null
  #handle: DocHandle<unknown> | null = null
  /** What the server calls its store; none where it has none. */
  #store: StorageId | undefined
  #isEntered = false
  /** Whether the board is there. */
  #isThere = false
  /** Whether the server has told on this connection what it has. */
  #isInSync = false
  /** Why the server does not take or give something, as it has said on this connection. */
  #refusal: string | null = null
  #mayWrite = true

  constructor(
    private readonly address: BoardAddress,
    private readonly sheet: BoardSheet,
    private readonly changed: () => void,
  ) {
    const { networkSubsystem } = this.#repo
    networkSubsystem.on('peer', ({ peerId }) => this.#connected(peerId))
    networkSubsystem.on('peer-disconnected', () => this.#disconnected())
  }

  /** Lets this person in as soon as they may read the document, with the token that they have by then. */
  async enter(): Promise<void> {
    const access = await accessTo(this.address.id, byId('banner'))
    say(byId('banner'), null)
    this.#mayWrite = access.mayWrite
    byId('history-toggle').hidden = !access.maySeeHistory
    this.#notices.isShut = false
    this.#connect()
    if (this.#isEntered) return
    this.#isEntered = true
    showPeople(this.#gathering)
    shareIdentity(this.#gathering)
    await this.#find()
  }

  /** Where nothing is stored, told is all that anything can be. */
  get unsaved(): boolean {
    if (this.#handle === null || !this.#isThere) return false
    if (this.#store === undefined) return this.#mayWrite && !this.#isInSync
    return !areSame(this.#handle.heads(), this.#handle.getSyncInfo(this.#store)?.lastHeads)
  }

  /** Says goodbye when the page goes, rather than leaving a caret behind. */
  leave(): void {
    this.#gathering.leave()
    if (this.#line !== null) this.#repo.networkSubsystem.removeNetworkAdapter(this.#line)
    this.#line = null
  }

  /** The browser has revived the page. */
  comeBack(): void {
    if (!this.#notices.isShut) this.#connect()
  }

  #connect(): void {
    this.#line = new Line({
      ended: (code, reason) => void this.#ended(code, reason),
      refused: (reason) => ((this.#refusal = reason), this.#look()),
    })
    this.#line.on('message', (message) => this.#heard(message))
    this.#repo.networkSubsystem.addNetworkAdapter(this.#line)
  }

  async #find(): Promise<void> {
    const handle = await this.#repo.find(this.address.id, { allowableStates: ['ready', 'unavailable'] })
    this.#handle = handle
    // Waiting has a limit of its own in the client, and we have none.
    while (!handle.isReady()) await handle.whenReady().catch(() => {})
    if (!isBoard(handle.doc())) return this.#refuse()
    handle.on('change', () => this.#happened())
    handle.on('remote-heads', () => this.#lookSoon())
    this.#isThere = true
    if ([EMPTY, UNKNOWN].includes(byId('banner').textContent ?? '')) say(byId('banner'), null)
    this.sheet.attach(handle, this.#gathering)
    this.sheet.allowWriting(this.#mayWrite && !this.#notices.isShut)
    if (this.#isInSync) this.#gathering.enter(handle)
    this.#happened()
  }

  /** A history of something else would be none to look at. */
  #refuse(): void {
    byId('history-toggle').hidden = true
    this.#end(FOREIGN)
  }

  #heard(message: Message): void {
    if (message.documentId !== this.address.id) return
    if (message.type === 'doc-unavailable') this.#isNowhere()
    if (message.type === 'sync' && !this.#isInSync) this.#met()
  }

  /** The server says that it has no such document, or that it is not for us. */
  #isNowhere(): void {
    if (this.#isThere) return void this.#lost()
    if (this.#refusal !== null) return this.#end(`This board cannot be opened. ${this.#refusal}`)
    const { id, title } = this.address
    // What an id stands for may be something else than a board, and not be here yet.
    if (title === null) return say(byId('banner'), UNKNOWN)
    if (!this.#mayWrite) return say(byId('banner'), EMPTY)
    this.#repo.import<Record<string, unknown>>(beginning(), { docId: id }).change((doc) => (doc['title'] = title))
  }

  #connected(peer: PeerId): void {
    this.#store = this.#repo.getStorageIdOfPeer(peer)
    this.#refusal = null
  }

  /** From here on the server has us among those who have the document open. */
  #met(): void {
    this.#isInSync = true
    if (this.#isThere) this.#gathering.enter(this.#handle!)
    this.#lookSoon()
  }

  #disconnected(): void {
    this.#isInSync = false
    this.#gathering.leave()
    this.#look()
  }

  #happened(): void {
    const { title } = boardOf(this.#handle!.doc())
    if (title !== '') this.#showTitle(title)
    this.#lookSoon()
    this.changed()
  }

  #showTitle(title: string): void {
    document.title = `${title} · Quire`
    byId('title').textContent = title
  }

  /** What others wrote is heard of in two parts, their heads and their words, and is looked at when both are there. */
  #lookSoon(): void {
    queueMicrotask(() => this.#look())
  }

  #look(): void {
    const inSync = this.#isThere && this.#isInSync && !this.#notices.isShut
    const { unsaved } = this
    if (this.#isThere && !unsaved) this.#refusal = null
    this.#saving.stands({ inSync, unsaved, refused: this.#refusal !== null, mayWrite: this.#mayWrite, isEphemeral: this.#store === undefined })
    // The first key that is pressed offline changes what is to be said about being offline.
    if (this.#saving.word === 'offline') this.#notices.explain('offline', 'offline', unsaved)
  }

  #end(sentence: string): void {
    this.#notices.isShut = true
    this.sheet.allowWriting(false)
    this.leave()
    this.#saving.ended()
    say(byId('banner'), sentence)
  }

  /** Whoever may not go on keeps their words in sight, and can go on with them once something has helped. */
  async #ended(code: number, reason: string): Promise<void> {
    const ending = endingOf(code, reason, this.unsaved)
    this.#end(ending.words)
    if (await helped(byId('banner'), ending)) await this.#goOn()
  }

  /** Of what was there the server says no more than that it is not: it was deleted, or they may read it no longer, and can sign in. */
  async #lost(): Promise<void> {
    const shown = currentToken()
    this.#end(GONE)
    await accessTo(this.address.id, byId('banner'))
    if (currentToken() !== shown) await this.#goOn()
  }

  async #goOn(): Promise<void> {
    await this.enter()
    this.sheet.allowWriting(this.#isThere && this.#mayWrite)
  }
}

function areSame(heads: UrlHeads, stored: UrlHeads | undefined): boolean {
  return stored !== undefined && [...heads].sort().join() === [...stored].sort().join()
}
