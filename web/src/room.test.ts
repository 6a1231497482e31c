import { beforeEach, expect, test } from 'vitest'
import type { Connection, Presence } from 'sharedb/lib/client'
import { Room } from './room.ts'

class Emitter {
  readonly #listeners: [string, (...args: unknown[]) => void][] = []

  on(event: string, listener: (...args: unknown[]) => void): void {
    this.#listeners.push([event, listener])
  }

  emit(event: string, ...args: unknown[]): void {
    for (const [name, listener] of this.#listeners) if (name === event) listener(...args)
  }
}

/** A connection that keeps what is told, and hears what it is given. */
class Line extends Emitter {
  readonly told: unknown[] = []
  readonly asked: string[] = []
  readonly presence = Object.assign(new Emitter(), {
    create: () => Object.assign(new Emitter(), { submit: (state: unknown) => this.told.push(state) }),
    subscribe: () => this.asked.push('in'),
    unsubscribe: () => this.asked.push('out'),
  })
}

let line: Line
let room: Room
let changes: number

beforeEach(() => {
  line = new Line()
  room = new Room(line as unknown as Connection, line.presence as unknown as Presence)
  changes = 0
  room.on('change', () => (changes += 1))
})

const others = () => [...room.getStates()].filter(([client]) => client !== room.clientID).map(([, state]) => state)

test('others come, change and go', () => {
  line.presence.emit('receive', 'x', { field: 'title' })
  line.presence.emit('receive', 'y', { field: 'about' })
  line.presence.emit('receive', 'x', { field: 'date' })
  expect(others()).toEqual([{ field: 'date' }, { field: 'about' }])
  line.presence.emit('receive', 'x', null)
  expect(others()).toEqual([{ field: 'about' }])
  expect(changes).toBe(4)
})

test('what I say is told once, and again when the connection is back', () => {
  room.setLocalStateField('field', 'title')
  room.setLocalStateField('field', 'title')
  expect(line.told).toEqual([{ field: 'title' }])
  line.emit('connected')
  room.setLocalState({ field: 'about', user: 1 })
  expect(line.told).toEqual([{ field: 'title' }, { field: 'title' }, { field: 'about', user: 1 }])
})

test('without a connection only I am here', () => {
  room.setLocalStateField('field', 'title')
  line.presence.emit('receive', 'x', {})
  line.emit('disconnected')
  expect(others()).toEqual([])
  expect(room.getStates().get(room.clientID)).toEqual({ field: 'title' })
})

test('whoever enters asks who is here, and anew whenever they enter again', () => {
  expect(line.asked).toEqual([])
  room.enter()
  room.enter()
  expect(line.asked).toEqual(['out', 'in', 'out', 'in'])
  expect(line.told).toEqual([{}, {}])
})
