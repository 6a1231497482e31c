/**
 * Who this browser is in every document: a name, a colour and an id that tells two tabs of one person from two people.
 * It is kept in localStorage, so all tabs share it; where storage is refused it lasts as long as the tab.
 */
import { PALETTE, safeColour, type Hex } from './colours.ts'
import { personName } from './names.ts'

export interface Identity {
  id: string
  name: string
  colour: Hex
}

const KEY = 'quire.identity'
export const NAME_LENGTH = 40

export function loadIdentity(): Identity {
  const kept = readIdentity()
  if (kept !== null) return kept
  const made = { id: randomId(), name: personName(), colour: PALETTE[Math.floor(Math.random() * PALETTE.length)]! }
  saveIdentity(made)
  return made
}

export function saveIdentity(identity: Identity): void {
  try {
    localStorage.setItem(KEY, JSON.stringify(identity))
  } catch {
    // Storage may be full or forbidden; the name then lasts as long as this tab, which is all that can be had.
  }
}

/** Calls back when another tab of this browser changes the identity. */
export function onIdentityElsewhere(changed: (identity: Identity) => void): void {
  addEventListener('storage', (event) => {
    const identity = event.key === KEY ? parseIdentity(event.newValue) : null
    if (identity !== null) changed(identity)
  })
}

export function parseIdentity(text: string | null): Identity | null {
  try {
    const { id, name, colour } = JSON.parse(text ?? 'null') as Record<string, unknown>
    if (typeof id !== 'string' || typeof name !== 'string' || name.trim() === '') return null
    return { id, name: name.slice(0, NAME_LENGTH), colour: safeColour(colour, 0) }
  } catch {
    return null
  }
}

function readIdentity(): Identity | null {
  try {
    return parseIdentity(localStorage.getItem(KEY))
  } catch {
    return null
  }
}

/** `crypto.randomUUID` is missing where the page is not served from a secure origin, such as a machine on the LAN. */
export function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
