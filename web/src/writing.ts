/**
 * A document as rich text, from the socket to the word that is shown: the unmodified Hocuspocus provider, Tiptap, and what
 * a writer has to know of them. Whether words are saved is asked of the provider's counter, of the receipts of its socket and
 * of the connection; all of them have to agree.
 */
import { HocuspocusProvider, HocuspocusProviderWebsocket, WebSocketStatus } from '@hocuspocus/provider'
import type { Editor } from '@tiptap/core'
import * as Y from 'yjs'
import { accessTo } from './access.ts'
import { WORKSPACE } from './api.ts'
import { presenceOf, shareIdentity, showPeople } from './desk.ts'
import { byId, say } from './dom.ts'
import { endingOf } from './ending.ts'
import { loadIdentity } from './identity.ts'
import { Receipts } from './receipts.ts'
import { mountRichText } from './rich.ts'
import { Saving, type SavingWord } from './saving.ts'
import { signIn } from './signin.ts'
import { currentToken } from './token.ts'
import { bindToolbar } from './toolbar.ts'

const SHUT_OUT = 'Your access has ended, or never was. What you wrote is still here, but what was not saved yet is in this tab only. Sign in to go on.'
const BACK_ONLINE = 'Back online.'
const BACK_ONLINE_FOR_MS = 2500
const READ_ONLY = 'You may read this document, not change it. Others see that you are here.'
const NOT_SAVED = 'The server does not take what you wrote last. Copy it if you need it.'
const OFFLINE = 'You are offline, and all that you wrote is saved. Keep writing, and keep this tab open: your words join the others when the connection is back.'
const OFFLINE_UNSAVED = 'You are offline, and what you wrote last is not saved yet. Keep this tab open: your words join the others when the connection is back.'

export class Writing {
  readonly #receipts = new Receipts(() => this.#look())
  readonly #saving = new Saving((word, before) => this.#show(word, before))
  readonly #socket = new HocuspocusProviderWebsocket({
    url: `${location.origin.replace(/^http/, 'ws')}/hocuspocus/${WORKSPACE}`,
    autoConnect: false,
    WebSocketPolyfill: this.#receipts.socketClass(),
  })
  readonly #provider: HocuspocusProvider
  readonly #editor: Editor
  readonly #tellWhoIAm: () => void
  #mayWrite = true
  /** Nobody is let in, or no longer. */
  #shut = true

  constructor(private readonly name: string) {
    this.#provider = new HocuspocusProvider({
      websocketProvider: this.#socket,
      name,
      document: new Y.Doc(),
      token: () => currentToken() ?? '',
    })
    const awareness = this.#provider.awareness!
    this.#editor = mountRichText(byId('editor'), this.#provider, presenceOf(loadIdentity()))
    bindToolbar(this.#editor)
    showPeople(awareness)
    this.#tellWhoIAm = shareIdentity(awareness)
    this.#listen()
    this.#provider.attach()
  }

  /** Lets this person in as soon as they may read the document, with the token that they have by then. */
  async enter(): Promise<void> {
    await accessTo(this.name, byId('banner'))
    this.#shut = false
    void this.#socket.connect()
  }

  get unsaved(): boolean {
    return this.#provider.hasUnsyncedChanges || this.#receipts.outstanding
  }

  /** Says goodbye when the page goes, rather than leaving a caret behind. */
  leave(): void {
    this.#socket.disconnect()
  }

  /** The browser has revived the page; the provider had taken its presence away. */
  comeBack(): void {
    this.#provider.awareness!.setLocalState({})
    this.#tellWhoIAm()
    void this.#socket.connect()
  }

  #listen(): void {
    for (const event of ['status', 'synced', 'unsyncedChanges', 'disconnect']) this.#provider.on(event, () => this.#look())
    this.#provider.on('authenticated', ({ scope }: { scope: string }) => {
      this.#mayWrite = scope !== 'readonly'
      this.#look()
    })
    this.#provider.on('authenticationFailed', () => void this.#shutOut(SHUT_OUT))
    this.#provider.on('close', ({ event }: { event: { reason: string } }) => {
      if (!this.#isOpen) return
      const { words } = endingOf(0, event.reason, this.#mayWrite)
      // The dialect says why in words only; of somebody with a token, it most likely is the token.
      if (currentToken() === null) this.#end(words)
      else void this.#shutOut(words)
    })
  }

  get #isOpen(): boolean {
    return this.#socket.status === WebSocketStatus.Connected
  }

  #look(): void {
    const inSync = this.#isOpen && this.#provider.isAuthenticated && this.#provider.synced
    if (inSync) this.#allowWriting(this.#mayWrite)
    this.#saving.stands({ inSync: inSync && !this.#shut, unsaved: this.unsaved, refused: this.#receipts.refused, mayWrite: this.#mayWrite })
    // The first key that is pressed offline changes what is to be said about being offline.
    if (this.#saving.word === 'offline') this.#explain('offline')
  }

  /** From the first time that the text is there; whoever goes offline then goes on writing. */
  #allowWriting(may: boolean): void {
    if (this.#editor.isEditable === may) return
    this.#editor.setEditable(may)
    if (may) this.#editor.commands.focus()
  }

  #end(sentence: string): void {
    this.#shut = true
    this.#allowWriting(false)
    this.#saving.ended()
    say(byId('banner'), sentence)
  }

  /** Whoever may not go on keeps their words in sight, and can sign in to go on with them. */
  async #shutOut(sentence: string): Promise<void> {
    if (this.#shut) return
    this.#end(sentence)
    this.#socket.disconnect()
    await signIn(byId('banner'), sentence)
    await this.enter()
  }

  #show(word: SavingWord, before: SavingWord): void {
    const shown = byId('connection')
    shown.textContent = this.#shut && word === 'offline' ? 'not connected' : word
    shown.dataset['state'] = word
    this.#explain(before)
  }

  /** A sentence for whoever needs more than the word. */
  #explain(before: SavingWord): void {
    if (this.#shut) return
    const sentence = sentenceFor(this.#saving.word, this.unsaved)
    const banner = byId('banner')
    say(banner, sentence ?? (before === 'offline' ? BACK_ONLINE : null))
    if (banner.textContent === BACK_ONLINE) setTimeout(() => banner.textContent === BACK_ONLINE && say(banner, null), BACK_ONLINE_FOR_MS)
  }
}

function sentenceFor(word: SavingWord, unsaved: boolean): string | null {
  if (word === 'offline') return unsaved ? OFFLINE_UNSAVED : OFFLINE
  if (word === 'not saved') return NOT_SAVED
  return word === 'read only' ? READ_ONLY : null
}
