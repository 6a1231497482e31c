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
import { mountEditor } from './editor.ts'
import { HistoryPanel } from './history.ts'
import { nameProblem } from './names.ts'
import { linkViews } from './views.ts'

/** The root that y-codemirror.next's own examples use, so their pages and this one show the same text. */
const FIELD = 'codemirror'
const BACK_ONLINE_FOR_MS = 2500

const name = new URLSearchParams(location.search).get('document') ?? ''
if (nameProblem(name) !== null) location.replace('/')
else start()

function start(): void {
  document.title = `${name} · Quire`
  byId('title').textContent = name
  linkViews(name)
  const doc = new Y.Doc()
  const origin = location.origin.replace(/^http/, 'ws')
  const provider = new WebsocketProvider(`${origin}/yjs/${WORKSPACE}`, encodeURIComponent(name), doc)
  const editor = mountEditor(byId('editor'), doc.getText(FIELD), provider.awareness)
  editor.focus()
  followConnection(provider, doc)
  leaveWithPage(provider)
  showPeople(provider.awareness)
  shareIdentity(provider.awareness)
  const history = new HistoryPanel(name, FIELD)
  doc.on('update', () => history.documentChanged())
}

function followConnection(provider: WebsocketProvider, doc: Y.Doc): void {
  const connection = new Connection(showConnection)
  provider.on('status', ({ status }) => connection.heard(status))
  provider.on('closed', ({ reason }) => {
    connection.ended()
    say(byId('banner'), `The server has closed this document${reason === '' ? '' : `: ${reason}`}. Copy what you wrote if you need it.`)
  })
  let unsent = false
  doc.on('update', (_update, origin) => (unsent ||= origin !== provider && !provider.wsconnected))
  provider.on('sync', (synced) => (unsent &&= !synced))
  addEventListener('beforeunload', (event) => unsent && event.preventDefault())
}

/** Says goodbye when the page goes, rather than leaving a caret behind; comes back when the browser revives the page. */
function leaveWithPage(provider: WebsocketProvider): void {
  addEventListener('pagehide', () => provider.disconnect())
  addEventListener('pageshow', (event) => event.persisted && provider.connect())
}

function showConnection(word: Word, before: Word): void {
  const shown = byId('connection')
  shown.textContent = word
  shown.dataset['state'] = word
  const banner = byId('banner')
  if (word === 'offline') say(banner, 'You are offline. Keep writing, and keep this tab open: your words join the others when the connection is back.')
  if (word === 'connected' && before === 'offline') {
    say(banner, 'Back online.')
    setTimeout(() => banner.textContent === 'Back online.' && say(banner, null), BACK_ONLINE_FOR_MS)
  }
}
