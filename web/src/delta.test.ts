import Delta from 'quill-delta'
import { expect, test } from 'vitest'
import { toShared, toShown, type Step } from './delta.ts'

test('what the editor knows is shown as it is', () => {
  const steps = [{ insert: 'Title', attributes: { bold: true } }, { insert: '\n', attributes: { header: 2 } }, { retain: 3, attributes: { list: null } }, { delete: 2 }]
  expect(toShown(steps)).toEqual(steps)
})

test.each([
  [{ header: 9 }], [{ header: {} }], [{ list: ['bullet'] }], [{ link: 7 }], [{ bold: 'yes' }], [{ color: 'red' }], [{ constructor: true }], [null],
])('formats %j are left out', (attributes) => {
  expect(toShown([{ insert: 'x', attributes }])).toEqual([{ insert: 'x' }])
  expect(toShown([{ retain: 1, attributes }])).toEqual([{ retain: 1 }])
})

test('of several formats those that are known stay', () => {
  expect(toShown([{ insert: 'x', attributes: { bold: true, color: 'red', header: null } }])).toEqual([{ insert: 'x', attributes: { bold: true, header: null } }])
})

test('a thing is a sign of the same length, and is itself again when it is written back', () => {
  const picture = { image: '/boat.png', width: [1, 2] }
  const steps: Step[] = [{ insert: 'a' }, { insert: picture }, { retain: { image: { crop: 1 } } }]
  const shown = toShown(steps)
  expect(shown).toEqual([{ insert: 'a' }, { insert: { thing: picture } }, { retain: 1 }])
  expect(new Delta(shown as never).length()).toBe(3)
  expect(toShared([{ retain: 4 }, shown[1]!])).toEqual([{ retain: 4 }, { insert: picture }])
})
