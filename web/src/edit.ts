/**
 * The editor page. It is what any Yjs tutorial would write: a `Y.Doc`, the unmodified y-websocket provider, CodeMirror with
 * y-codemirror.next; around it, who is here, one word about the connection, and the history.
 */
import { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'
import { WORKSPACE } from './api.ts'
import { inkOn, PALETTE, selectionColour } from './colours.ts'
import { Connection, type Word } from './connection.ts'
import { byId, element, say } from './dom.ts'
import { mountEditor } from './editor.ts'
import { HistoryPanel } from './history.ts'
import { loadIdentity, onIdentityElsewhere, saveIdentity, type Identity } from './identity.ts'
import { nameProblem } from './names.ts'
import { initials, peopleHere, type Person } from './people.ts'

/** The root that y-codemirror.next's own examples use, so their pages and this one show the same text. */
const FIELD = 'codemirror'
const FACES_SHOWN = 5
const BACK_ONLINE_FOR_MS = 2500

const name = new URLSearchParams(location.search).get('document') ?? ''
if (nameProblem(name) !== null) location.replace('/')
else start()

function start(): void {
  document.title = `${name} · Quire`
  byId('title').textContent = name
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

/** Presence changes with every move of a caret; the faces are drawn again only when they are others. */
function showPeople(awareness: WebsocketProvider['awareness']): void {
  let shown = ''
  const show = () => {
    const people = peopleHere(awareness.getStates(), awareness.clientID)
    const changed = JSON.stringify(people)
    if (changed !== shown) byId('people').replaceChildren(...faces(people))
    shown = changed
  }
  awareness.on('change', show)
  show()
}

function faces(people: Person[]): HTMLLIElement[] {
  const beyond = people.length - FACES_SHOWN
  const more = beyond > 0 ? [element('li', { class: 'beyond' }, `+${beyond}`)] : []
  return [...people.slice(0, FACES_SHOWN).map(faceItem), ...more]
}

function faceItem(person: Person): HTMLLIElement {
  const tabs = person.tabs > 1 ? `, in ${person.tabs} tabs` : ''
  const label = `${person.name}${person.me ? ' (you)' : ''}${tabs}`
  const item = element('li', { class: 'face', title: label }, element('span', { 'aria-hidden': 'true' }, initials(person.name)))
  item.append(element('span', { class: 'unseen' }, label))
  if (person.tabs > 1) item.append(element('sup', { 'aria-hidden': 'true' }, String(person.tabs)))
  item.style.setProperty('--peer', person.colour)
  item.style.setProperty('--peer-ink', inkOn(person.colour))
  return item
}

function shareIdentity(awareness: WebsocketProvider['awareness']): void {
  let me = loadIdentity()
  const share = (identity: Identity) => {
    me = identity
    const { id, name, colour } = identity
    awareness.setLocalStateField('user', { id, name, color: colour, colorLight: selectionColour(colour) })
    byId('identity-open').textContent = name
    byId('identity-open').setAttribute('aria-label', `You are ${name}. Change name or colour`)
  }
  share(me)
  onIdentityElsewhere(share)
  byId('identity-open').addEventListener('click', () => askIdentity(me, (identity) => (saveIdentity(identity), share(identity))))
}

function askIdentity(me: Identity, answer: (identity: Identity) => void): void {
  const dialog = byId<HTMLDialogElement>('identity')
  const field = byId<HTMLInputElement>('identity-name')
  field.value = me.name
  byId('swatches').replaceChildren(...PALETTE.map((colour, at) => swatch(colour, at, colour === me.colour)))
  dialog.returnValue = 'cancel'
  dialog.onclose = () => {
    const colour = byId('swatches').querySelector<HTMLInputElement>('input:checked')?.value
    const chosen = PALETTE.find((known) => known === colour) ?? me.colour
    if (dialog.returnValue === 'save' && field.value.trim() !== '') answer({ ...me, name: field.value.trim(), colour: chosen })
  }
  dialog.showModal()
  field.select()
}

function swatch(colour: string, at: number, checked: boolean): HTMLLabelElement {
  const input = element('input', { type: 'radio', name: 'colour', value: colour, 'aria-label': `Colour ${at + 1}` })
  input.checked = checked
  const label = element('label', { class: 'swatch' }, input)
  label.style.setProperty('--peer', colour)
  return label
}
