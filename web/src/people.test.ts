import { expect, test } from 'vitest'
import { PALETTE } from './colours.ts'
import { faceOf, initials, peopleHere } from './people.ts'

const user = (id: string, name: string) => ({ user: { id, name, color: PALETTE[0] } })

test('two tabs of one person are one person, and I come first', () => {
  const people = peopleHere([[1, user('b', 'Bea')], [2, user('z', 'Zoe')], [3, user('b', 'Bea')], [4, user('a', 'Ada')]], 2)
  expect(people.map(({ name, tabs, me }) => [name, tabs, me])).toEqual([['Zoe', 1, true], ['Ada', 1, false], ['Bea', 2, false]])
})

test('clients of other programs, which give no id, are told apart by their number', () => {
  const people = peopleHere([[1, { user: { name: 'Guest' } }], [2, { user: { name: 'Guest' } }]], 3)
  expect(people).toHaveLength(2)
})

test.each([[null], [7], ['text'], [[]], [{}], [{ user: null }], [{ user: { name: 7, color: {}, id: [] } }], [{ user: { name: '  ' } }]])(
  'a state that is %j still has a face',
  (state) => {
    expect(faceOf(state, 12)).toEqual({ id: null, name: 'Anonymous', colour: PALETTE[2] })
  },
)

test('long names are cut', () => {
  expect(faceOf({ user: { name: 'x'.repeat(1000) } }, 1).name).toHaveLength(40)
})

test.each([['Gentle Heron', 'GH'], ['cher', 'C'], ['Ana María de la Cruz', 'AC'], ['🌊 wave', '🌊W'], ['', '']])('initials of %j', (name, letters) => {
  expect(initials(name)).toBe(letters)
})
