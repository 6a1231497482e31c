/** Tells the others in which field of the page we are, and shows beside each field which of them are in it. */
import { inkOn } from './colours.ts'
import type { Presences } from './desk.ts'
import { element } from './dom.ts'
import { occupants } from './occupants.ts'

/** Fields are what has a `data-field`. */
export function tellWhereIAm(form: HTMLElement, presences: Presences): void {
  const tell = (target: EventTarget | null) => {
    const field = target instanceof Element ? target.closest<HTMLElement>('[data-field]') : null
    presences.setLocalStateField('field', field?.dataset['field'] ?? null)
  }
  form.addEventListener('focusin', ({ target }) => tell(target))
  form.addEventListener('focusout', ({ relatedTarget }) => tell(relatedTarget))
}

export function showWhoIsWhere(form: HTMLElement, presences: Presences): void {
  const where = occupants(presences.getStates(), presences.clientID)
  for (const place of form.querySelectorAll<HTMLElement>('[data-field]')) {
    const here = where.get(place.dataset['field']!) ?? []
    place.querySelector(':scope > .here')?.remove()
    place.classList.toggle('taken', here.length > 0)
    if (here.length === 0) continue
    const { colour } = here[0]!
    place.style.setProperty('--peer', colour)
    place.style.setProperty('--peer-ink', inkOn(colour))
    place.append(element('span', { class: 'here' }, here.map(({ name }) => name).join(', ')))
  }
}
