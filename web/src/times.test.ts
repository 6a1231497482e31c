import { expect, test } from 'vitest'
import { ago } from './times.ts'

const NOW = new Date('2026-11-20T12:00:00.000Z')

test.each([
  ['2026-11-20T12:00:05.000Z', 'just now'],
  ['2026-11-20T11:59:01.000Z', 'just now'],
  ['2026-11-20T11:59:00.000Z', '1 minute ago'],
  ['2026-11-20T09:00:01.000Z', '2 hours ago'],
  ['2026-11-19T12:00:00.000Z', 'yesterday'],
  ['2026-11-12T12:00:00.000Z', 'last week'],
  ['2024-11-20T00:00:00.000Z', '2 years ago'],
])('%s was %s', (stamp, words) => {
  expect(ago(new Date(stamp), NOW)).toBe(words)
})
