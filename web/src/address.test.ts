import { expect, test } from 'vitest'
import { addressOfName, nameOf } from './address.ts'

test.each([['notes', 'one'], ['a/b', 'c'], ['a', 'b/c'], ['100%', 'x'], ['%2F', '%2F'], ['a%25/', '/']])('%j and %j have a name of their own', (collection, id) => {
  expect(addressOfName(nameOf({ collection, id }), 'home')).toEqual({ collection, id })
})

test('names keep apart what a plain slash would mix', () => {
  expect(nameOf({ collection: 'a/b', id: 'c' })).toBe('a%2Fb/c')
  expect(nameOf({ collection: 'a', id: 'b/c' })).toBe('a/b/c')
})

test('a name without a collection is at home', () => {
  expect(addressOfName('story', 'texts')).toEqual({ collection: 'texts', id: 'story' })
})
