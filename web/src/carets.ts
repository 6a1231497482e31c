/**
 * Other people's carets and selections in rich text, as elements for Tiptap. Names and colours are strangers' input: names
 * enter as text, colours are checked, and both are set through the CSSOM, which the content security policy allows.
 */
import type { DecorationAttrs } from '@tiptap/pm/view'
import type { Awareness } from 'y-protocols/awareness'
import { inkOn, selectionColour } from './colours.ts'
import { faceOf, type Face } from './people.ts'

type User = Record<string, unknown>

/** A thin line with a name above it, which fades after a while. */
export function caretOf(user: User): HTMLElement {
  const caret = document.createElement('span')
  caret.className = 'peer-caret'
  const name = caret.appendChild(document.createElement('span'))
  name.className = 'peer-name'
  dress(caret, face(user))
  return caret
}

export function selectionOf(user: User): DecorationAttrs {
  return { style: `background-color: ${selectionColour(face(user).colour)}` }
}

/** Tiptap keeps a caret's element while its owner moves: names are brought up to date here, and shown anew at each move. */
export function followCarets(host: HTMLElement, awareness: Awareness): void {
  awareness.on('change', ({ updated }: { updated: number[] }) => {
    for (const client of updated.filter((id) => id !== awareness.clientID)) {
      const moved = faceOf(awareness.getStates().get(client), client)
      for (const caret of host.querySelectorAll<HTMLElement>('.peer-caret')) {
        if (caret.dataset['person'] === key(moved)) refresh(caret, moved)
      }
    }
  })
}

function refresh(caret: HTMLElement, face: Face): void {
  dress(caret, face)
  for (const animation of caret.firstElementChild?.getAnimations() ?? []) {
    animation.cancel()
    animation.play()
  }
}

function dress(caret: HTMLElement, face: Face): void {
  caret.dataset['person'] = key(face)
  caret.style.setProperty('--peer', face.colour)
  caret.style.setProperty('--peer-ink', inkOn(face.colour))
  caret.firstElementChild!.textContent = face.name
}

/** What tells one person's caret from another's: an id if their program gives one. */
function key(face: Face): string {
  return face.id ?? face.name
}

function face(user: User): Face {
  return faceOf({ user }, 0)
}
