import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Connection, OFFLINE_AFTER_MS } from './connection.ts'

let told: string[]
let connection: Connection

beforeEach(() => {
  vi.useFakeTimers()
  told = []
  connection = new Connection((word) => told.push(word))
})

afterEach(() => {
  vi.useRealTimers()
})

test('a short loss never becomes offline', () => {
  connection.heard('connected')
  connection.heard('disconnected')
  vi.advanceTimersByTime(OFFLINE_AFTER_MS - 1)
  connection.heard('connected')
  vi.advanceTimersByTime(10 * OFFLINE_AFTER_MS)
  expect(told).toEqual(['connected', 'connecting', 'connected'])
})

test('a longer loss is offline after two seconds, whatever the provider tries meanwhile, until it is truly back', () => {
  connection.heard('connected')
  connection.heard('disconnected')
  for (let tries = 0; tries < 8; tries += 1) {
    connection.heard('connecting')
    vi.advanceTimersByTime(OFFLINE_AFTER_MS / 2)
    connection.heard('disconnected')
  }
  expect(told).toEqual(['connected', 'connecting', 'offline'])
  connection.heard('connected')
  expect(told.at(-1)).toBe('connected')
})

test('a server that is not there at the start is told after two seconds too', () => {
  vi.advanceTimersByTime(OFFLINE_AFTER_MS)
  expect(connection.word).toBe('offline')
})

test('when the server says that it is over, nobody waits', () => {
  connection.heard('connected')
  connection.heard('disconnected')
  connection.ended()
  vi.advanceTimersByTime(OFFLINE_AFTER_MS)
  expect(told).toEqual(['connected', 'connecting', 'offline'])
})
