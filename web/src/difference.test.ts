import { expect, test } from 'vitest'
import { difference } from './difference.ts'

test.each([
  ['', 'a', [{ p: [0], si: 'a' }]],
  ['lamp', 'lamps', [{ p: [4], si: 's' }]],
  ['lamps', 'lamp', [{ p: [4], sd: 's' }]],
  ['a cat', 'a dog', [{ p: [2], sd: 'cat' }, { p: [2], si: 'dog' }]],
  ['aaa', 'aa', [{ p: [2], sd: 'a' }]],
  ['same', 'same', []],
])('from %j to %j', (before, after, edits) => {
  expect(difference(before, after)).toEqual(edits)
})

test('an emoji that shares half of its code with another is exchanged whole', () => {
  expect(difference('🌊', '🌙')).toEqual([{ p: [0], sd: '🌊' }, { p: [0], si: '🌙' }])
  expect(difference('a🐊', 'a🌊')).toEqual([{ p: [1], sd: '🐊' }, { p: [1], si: '🌊' }])
})
