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
import { Notices } from './notices.ts'
import { Receipts } from './receipts.ts'
import { mountRichText } from './rich.ts'
import { bindRichTools } from './richtools.ts'
import { Saving } from './saving.ts'
import { signIn } from './signin.ts'
import { currentToken } from './token.ts'

const SHUT_OUT = 'Your access has ended, or never was. What you wrote is still here, but what was not saved yet is in this tab only. Sign in to go on.'

export class Writing {
  readonly #receipts = new Receipts(() => this.#look())
  readonly #saving = new Saving((word, before) => this.#notices.show(word, before, this.unsaved))
  readonly #socket = new HocuspocusProviderWebsocket({
    url: `${location.origin.replace(/^http/, 'ws')}/hocuspocus/${WORKSPACE}`,
    autoConnect: false,
    WebSocketPolyfill: this.#receipts.socketClass(),
  })
  readonly #provider: HocuspocusProvider
  readonly #editor: Editor
  readonly #tellWhoIAm: () => void
  readonly #notices = new Notices()
  #mayWrite = true

  constructor(private readonly name: string) {
    this.#provider = new HocuspocusProvider({
      websocketProvider: this.#socket,
      name,
      document: new Y.Doc(),
      token: () => currentToken() ?? '',
    })
    const awareness = this.#provider.awareness!
    this.#editor = mountRichText(byId('editor'), this.#provider, presenceOf(loadIdentity()))
    bindRichTools(this.#editor)
    showPeople(awareness)
    this.#tellWhoIAm = shareIdentity(awareness)
    this.#listen()
    this.#provider.attach()
  }

  /** Lets this person in as soon as they may read the document, with the token that they have by then. */
  async enter(): Promise<void> {
    await accessTo(this.name, byId('banner'))
    this.#notices.isShut = false
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
    this.#saving.stands({ inSync: inSync && !this.#notices.isShut, unsaved: this.unsaved, refused: this.#receipts.refused, mayWrite: this.#mayWrite })
    // The first key that is pressed offline changes what is to be said about being offline.
    if (this.#saving.word === 'offline') this.#notices.explain('offline', 'offline', this.unsaved)
  }

  /** From the first time that the text is there; whoever goes offline then goes on writing. */
  #allowWriting(may: boolean): void {
    if (this.#editor.isEditable === may) return
    this.#editor.setEditable(may)
    if (may) this.#editor.commands.focus()
  }

  #end(sentence: string): void {
    this.#notices.isShut = true
    this.#allowWriting(false)
    this.#saving.ended()
    say(byId('banner'), sentence)
  }

  /** Whoever may not go on keeps their words in sight, and can sign in to go on with them. */
  async #shutOut(sentence: string): Promise<void> {
    if (this.#notices.isShut) return
    this.#end(sentence)
    this.#socket.disconnect()
    await signIn(byId('banner'), sentence)
    await this.enter()
  }
}
