import { expect, test } from 'vitest'
import { spanOf } from './span.ts'

test('a place in the text, and how often its owner has moved', () => {
  expect(spanOf({ index: 3, length: 2, moves: 7, user: {} })).toEqual({ index: 3, length: 2, moves: 7 })
  expect(spanOf({ index: 0, length: 0 })).toEqual({ index: 0, length: 0, moves: 0 })
})

test.each([[null], [undefined], [7], [{}], [{ index: -1, length: 0 }], [{ index: 0.5, length: 0 }], [{ index: 1 }], [{ index: NaN, length: 1 }], [{ index: '1', length: 1 }], [{ index: 1, length: 0, away: true }]])(
  '%j is no place',
  (value) => {
    expect(spanOf(value)).toBeNull()
  },
)
