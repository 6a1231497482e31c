import { expect, test } from 'vitest'
import { addressOf, QUILL, viewsOf } from './views.ts'

test.each([
  ['yjs', 'story', ['Plain text', 'Rich text']],
  ['rich-text', 'notes/one', ['Quill']],
  ['json0', 'forms/fair', ['Form']],
  ['json0', 'shapes/7', []],
  ['automerge', '4NMNnkMhL8jXrdJ9jamS58PAVdXu', ['Board']],
  ['text', 'notes/two', []],
])('a document of kind %s called %s can be opened as %j', (kind, name, titles) => {
  expect(viewsOf(kind, name).map(({ title }) => title)).toEqual(titles)
})

test('a name goes into an address whole', () => {
  expect(addressOf(QUILL, 'a/b?&c')).toBe('/quill?document=a%2Fb%3F%26c')
})
