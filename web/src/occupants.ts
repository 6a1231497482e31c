/** Who is in which field of a form, from the presence of everybody; any client may write any of it. */
import type { PresenceState } from './desk.ts'
import { faceOf, type Face } from './people.ts'

/** The others by their field, each person once. */
export function occupants(states: ReadonlyMap<number, PresenceState>, me: number): Map<string, Face[]> {
  const where = new Map<string, Face[]>()
  for (const [client, state] of states) {
    const { field } = state
    if (client === me || typeof field !== 'string') continue
    const face = faceOf(state, client)
    const here = where.get(field) ?? []
    const isKnown = here.some(({ id }) => id !== null && id === face.id)
    where.set(field, isKnown ? here : [...here, face])
  }
  return where
}
