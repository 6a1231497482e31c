/**
 * Who is here, as read from presence states. Any client may write any state, so everything is checked and shortened here,
 * once. Tabs that carry the same person's id are one person; clients that carry none are told apart by their number.
 */
import { safeColour, type Hex } from './colours.ts'
import { NAME_LENGTH } from './identity.ts'

export interface Person {
  key: string
  name: string
  colour: Hex
  tabs: number
  me: boolean
}

export interface Face {
  id: string | null
  name: string
  colour: Hex
}

/** Everybody here, this browser's person first and the rest by name. */
export function peopleHere(states: Iterable<[number, unknown]>, myClient: number): Person[] {
  const people = new Map<string, Person>()
  for (const [client, state] of states) {
    const face = faceOf(state, client)
    const key = face.id ?? `client ${client}`
    const person = people.get(key) ?? { key, name: face.name, colour: face.colour, tabs: 0, me: false }
    people.set(key, { ...person, tabs: person.tabs + 1, me: person.me || client === myClient })
  }
  return [...people.values()].sort((a, b) => Number(b.me) - Number(a.me) || a.name.localeCompare(b.name))
}

/** Name and colour of one presence state, whoever wrote it. */
export function faceOf(state: unknown, client: number): Face {
  const user = record(record(state)['user'])
  const { id, name, color } = user
  return {
    id: typeof id === 'string' && id !== '' ? id : null,
    name: typeof name === 'string' && name.trim() !== '' ? name.trim().slice(0, NAME_LENGTH) : 'Anonymous',
    colour: safeColour(color, client),
  }
}

/** Up to two letters that stand for a name. */
export function initials(name: string): string {
  const words = name.split(/\s+/).filter((word) => word !== '')
  const ends = words.length > 1 ? [words[0]!, words[words.length - 1]!] : words
  return ends.map((word) => [...word][0]!.toUpperCase()).join('')
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}
