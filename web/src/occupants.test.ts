import { expect, test } from 'vitest'
import { occupants } from './occupants.ts'

const at = (id: string, field: unknown) => ({ user: { id, name: id.toUpperCase() }, field })

test('others are in the fields that they say, each person once, and I am not among them', () => {
  const states = new Map([[0, at('me', 'title')], [1, at('ada', 'title')], [2, at('ada', 'title')], [3, at('bea', 'title')], [4, at('cyd', 'about')]])
  const where = occupants(states, 0)
  expect([...where].map(([field, faces]) => [field, faces.map(({ name }) => name)])).toEqual([['title', ['ADA', 'BEA']], ['about', ['CYD']]])
})

test.each([[undefined], [null], [7], [{}]])('who says %j is in no field', (field) => {
  expect(occupants(new Map([[1, at('ada', field)]]), 0).size).toBe(0)
})
