import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { OFFLINE_AFTER_MS } from './connection.ts'
import { CALM_AFTER_MS, Saving, type Standing } from './saving.ts'

const SETTLED: Standing = { inSync: true, unsaved: false, refused: false, mayWrite: true }
const UNSAVED: Standing = { ...SETTLED, unsaved: true }
const AWAY: Standing = { ...SETTLED, inSync: false }

let told: string[]
let saving: Saving

beforeEach(() => {
  vi.useFakeTimers()
  told = []
  saving = new Saving((word) => told.push(word))
})

afterEach(() => {
  vi.useRealTimers()
})

test('saved goes at once when something is written, and comes back when all has been quiet for a while', () => {
  saving.stands(SETTLED)
  expect(told).toEqual(['saved'])
  for (let key = 0; key < 5; key += 1) {
    saving.stands(UNSAVED)
    saving.stands(SETTLED)
    vi.advanceTimersByTime(CALM_AFTER_MS - 1)
  }
  expect(told).toEqual(['saved', 'saving'])
  vi.advanceTimersByTime(1)
  expect(told).toEqual(['saved', 'saving', 'saved'])
})

test('nothing is called saved while something is on its way, however long that takes', () => {
  saving.stands(UNSAVED)
  vi.advanceTimersByTime(100 * CALM_AFTER_MS)
  expect(told).toEqual(['saving'])
})

test('nothing is called saved without a connection', () => {
  saving.stands(SETTLED)
  saving.stands(AWAY)
  saving.stands({ ...AWAY, unsaved: true })
  vi.advanceTimersByTime(OFFLINE_AFTER_MS)
  saving.stands(AWAY)
  vi.advanceTimersByTime(100 * CALM_AFTER_MS)
  expect(told).toEqual(['saved', 'connecting', 'offline'])
  saving.stands(UNSAVED)
  saving.stands(SETTLED)
  vi.advanceTimersByTime(CALM_AFTER_MS)
  expect(told.slice(3)).toEqual(['saving', 'saved'])
})

test('a loss while all was becoming quiet is not called saved when that time is over', () => {
  saving.stands(UNSAVED)
  saving.stands(SETTLED)
  saving.stands(AWAY)
  vi.advanceTimersByTime(CALM_AFTER_MS)
  expect(told).toEqual(['saving', 'connecting'])
})

test('a reader is told so, and whoever became one with words under way is told that they are not saved', () => {
  saving.stands({ ...SETTLED, mayWrite: false })
  saving.stands({ ...UNSAVED, mayWrite: false })
  saving.stands({ ...UNSAVED, refused: true })
  expect(told).toEqual(['read only', 'not saved'])
})

test('when the server says that it is over, nobody waits', () => {
  saving.stands(SETTLED)
  saving.ended()
  vi.advanceTimersByTime(10 * OFFLINE_AFTER_MS)
  expect(told).toEqual(['saved', 'offline'])
})

test('a server that stores nothing is only connected', () => {
  saving.stands({ ...SETTLED, isEphemeral: true })
  expect(told).toEqual(['connected'])
})
