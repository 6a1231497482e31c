/**
 * The editor page. It is what any Yjs tutorial would write: a `Y.Doc`, the unmodified y-websocket provider, CodeMirror with
 * y-codemirror.next; around it, who is here, one word about the connection, and the history.
 */
import { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'
import { WORKSPACE } from './api.ts'
import { Connection, type Word } from './connection.ts'
import { shareIdentity, showPeople } from './desk.ts'
import { byId, say } from './dom.ts'
import { Door } from './door.ts'
import { mountEditor, wholeSheet } from './editor.ts'
import { HistoryPanel, textOf } from './history.ts'
import { nameProblem } from './names.ts'
import { takeToken } from './token.ts'
import { linkViews } from './views.ts'
import { yjsText } from './yjstext.ts'

/** The root that y-codemirror.next's own examples use, so their pages and this one show the same text. */
const FIELD = 'codemirror'
const BACK_ONLINE_FOR_MS = 2500

takeToken()
const name = new URLSearchParams(location.search).get('document') ?? ''
if (nameProblem(name) !== null) location.replace('/')
else void start()

async function start(): Promise<void> {
  document.title = `${name} · Quire`
  byId('title').textContent = name
  linkViews(name)
  const doc = new Y.Doc()
  const origin = location.origin.replace(/^http/, 'ws')
  const provider = new WebsocketProvider(`${origin}/yjs/${WORKSPACE}`, encodeURIComponent(name), doc, { connect: false })
  const text = doc.getText(FIELD)
  const editor = mountEditor(byId('editor'), text.toString(), [yjsText(text, provider.awareness), wholeSheet])
  const door = new Door(name, provider, editor)
  followConnection(provider, doc, door)
  leaveWithPage(provider, door)
  showPeople(provider.awareness)
  shareIdentity(provider.awareness)
  const history = new HistoryPanel(name, textOf(FIELD))
  doc.on('update', () => history.documentChanged())
  await door.enter()
}

function followConnection(provider: WebsocketProvider, doc: Y.Doc, door: Door): void {
  const connection = new Connection((word, before) => showConnection(word, before, door))
  door.onChange(() => showConnection(connection.word, connection.word, door))
  provider.on('status', ({ status }) => connection.heard(status))
  let [mine, unsent] = [false, false]
  provider.on('closed', ({ code, reason }) => {
    // Whether the last words came through is not known; nobody is to lose them without being asked.
    unsent ||= mine
    void door.closed(code, reason)
    connection.ended()
  })
  doc.on('update', (_update, origin) => {
    mine ||= origin !== provider
    unsent ||= origin !== provider && !provider.wsconnected
  })
  provider.on('sync', (synced) => (unsent &&= !synced))
  addEventListener('beforeunload', (event) => unsent && event.preventDefault())
}

/** Says goodbye when the page goes, rather than leaving a caret behind; comes back when the browser revives the page. */
function leaveWithPage(provider: WebsocketProvider, door: Door): void {
  addEventListener('pagehide', () => provider.disconnect())
  addEventListener('pageshow', (event) => event.persisted && door.isOpen && provider.connect())
}

function wordFor(word: Word, door: Door): string {
  if (word === 'connected') return door.mayWrite ? word : 'read only'
  return word === 'offline' && !door.isOpen ? 'not connected' : word
}

function showConnection(word: Word, before: Word, door: Door): void {
  const shown = byId('connection')
  shown.textContent = wordFor(word, door)
  shown.dataset['state'] = word
  const banner = byId('banner')
  // Whoever was asked to sign in, or told why it is over, is told nothing else meanwhile.
  if (!door.isOpen) return
  if (word === 'offline') say(banner, 'You are offline. Keep writing, and keep this tab open: your words join the others when the connection is back.')
  if (word === 'connected' && before === 'offline') {
    say(banner, 'Back online.')
    setTimeout(() => banner.textContent === 'Back online.' && say(banner, door.note), BACK_ONLINE_FOR_MS)
  }
}
