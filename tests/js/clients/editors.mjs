// People at editors that speak Hocuspocus: each a Y.Doc with the unmodified HocuspocusProvider of some version, several of
// them on a socket if they like.
import * as current from '@hocuspocus/provider'
import * as three from 'hocuspocus-provider-3'
import * as two from 'hocuspocus-provider-2'
import { WebSocket } from 'ws'
import * as Y from 'yjs'
import { until } from './until.mjs'

const PROVIDERS = { 2: two, 3: three, 4: current }
export const VERSIONS = [2, 3, 4]

/** How soon a socket tries again. What is tried, and when it is given up, is the provider's own. */
const IMPATIENT = { delay: 50, minDelay: 20, maxDelay: 400 }

/** A socket for providers of a version, closed when the server goes. */
export function openSocket (server, { version = 4, ...options } = {}) {
  const { HocuspocusProviderWebsocket } = PROVIDERS[version]
  const socket = new HocuspocusProviderWebsocket({ url: server.url, WebSocketPolyfill: BrowserLike, ...IMPATIENT, ...options })
  const closes = []
  socket.on('close', ({ event }) => closes.push(event?.code))
  const on = { version, socket, closes, leave: () => socket.destroy() }
  server.sees(on)
  return on
}

/** Somebody who opens a document on a socket, by default one of their own, and leaves when the server goes. */
export function open (server, name, { on, version = 4, ...options } = {}) {
  const editor = new Editor(on ?? openSocket(server, { version }), name, options)
  server.sees(editor)
  return editor
}

/** Waits until all have compared what they have with the server. */
export async function allOpen (editors) {
  await until('everybody is in sync', () => editors.every(editor => editor.provider.isAuthenticated && editor.provider.synced))
}

/** Waits until everybody's provider counts nothing that is not stored. */
export async function allSaved (editors) {
  await until('everybody is in sync, and all is saved', () => editors.every(editor => editor.isSaved))
}

/** A provider that gives up an attempt listens no more to what becomes of it, which browsers do not mind. */
export class BrowserLike extends WebSocket {
  constructor (url) {
    super(url)
    this.on('error', () => {})
  }
}

class Editor {
  constructor (on, name, options) {
    this.on = on
    this.name = name
    this.doc = new Y.Doc()
    this.text = this.doc.getText('text')
    // Version 2 would find its like in this process without the server; `broadcast` forbids that.
    const settings = { websocketProvider: on.socket, name, document: this.doc, token: 'anybody', broadcast: false, ...options }
    this.heard = { scopes: [], refusals: [], closes: [], signals: [], counts: [] }
    this.provider = new PROVIDERS[on.version].HocuspocusProvider(settings)
    this.#listen()
    // Version 2 attaches by itself.
    if (on.version > 2) this.provider.attach()
  }

  get awareness () {
    return this.provider.awareness
  }

  get isSaved () {
    return this.provider.isAuthenticated && this.provider.synced && !this.provider.hasUnsyncedChanges
  }

  append (words) {
    this.text.insert(this.text.length, words)
  }

  /** The states of all others that this person sees. */
  others () {
    const states = [...this.awareness.getStates()]
    return states.filter(([client, state]) => client !== this.doc.clientID && Object.keys(state).length > 0)
  }

  leave () {
    this.provider.destroy()
    // With the document goes the timer of its awareness, which would keep the process alive.
    this.doc.destroy()
  }

  #listen () {
    const { scopes, refusals, closes, signals, counts } = this.heard
    this.provider.on('authenticated', () => scopes.push(this.provider.authorizedScope))
    this.provider.on('authenticationFailed', ({ reason }) => refusals.push(reason))
    this.provider.on('close', ({ event }) => closes.push({ code: event.code, reason: event.reason }))
    this.provider.on('stateless', ({ payload }) => signals.push(payload))
    this.provider.on('unsyncedChanges', () => counts.push(this.provider.unsyncedChanges))
  }
}
