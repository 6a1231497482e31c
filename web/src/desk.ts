/**
 * What all editor pages have around what is written: who is here, and who I am. One document has one presence, whichever
 * page or program its people use, so all pages write and read the same presence fields.
 */
import { inkOn, PALETTE, selectionColour } from './colours.ts'
import { byId, element } from './dom.ts'
import { loadIdentity, onIdentityElsewhere, saveIdentity, type Identity } from './identity.ts'
import { initials, peopleHere, type Person } from './people.ts'

export type PresenceState = Record<string, unknown>

/** The presence of everybody in a document, as the awareness of Yjs gives it. */
export interface Presences {
  readonly clientID: number
  getStates(): ReadonlyMap<number, PresenceState>
  on(event: 'change', listener: () => void): unknown
  setLocalStateField(field: string, value: unknown): void
}

const FACES_SHOWN = 5

/** Presence changes with every move of a caret; the faces are drawn again only when they are others. */
export function showPeople(presences: Presences): void {
  let shown = ''
  const show = () => {
    const people = peopleHere(presences.getStates(), presences.clientID)
    const changed = JSON.stringify(people)
    if (changed !== shown) byId('people').replaceChildren(...faces(people))
    shown = changed
  }
  presences.on('change', show)
  show()
}

/** Tells the others who I am, now and whenever I change it, here or in another tab; what it gives back tells them again. */
export function shareIdentity(presences: Presences): () => void {
  let me = loadIdentity()
  const share = (identity: Identity) => {
    me = identity
    presences.setLocalStateField('user', presenceOf(me))
    byId('identity-open').textContent = me.name
    byId('identity-open').setAttribute('aria-label', `You are ${me.name}. Change name or colour`)
  }
  share(me)
  onIdentityElsewhere(share)
  byId('identity-open').addEventListener('click', () => askIdentity(me, (identity) => (saveIdentity(identity), share(identity))))
  return () => share(me)
}

/** The presence field `user`, as the editor bindings of all Yjs clients read it. */
export function presenceOf({ id, name, colour }: Identity): Record<string, string> {
  return { id, name, color: colour, colorLight: selectionColour(colour) }
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
