import { expect, test } from 'vitest'
import { endingOf, isForGood } from './ending.ts'

test('whoever may not go on is told so, and what helps', () => {
  expect(endingOf(4401, 'The token has expired.', true)).toMatchObject({ remedy: 'sign in' })
  expect(endingOf(4403, '', true)).toMatchObject({ remedy: 'sign in' })
  expect(endingOf(4429, '', true)).toMatchObject({ remedy: 'try again' })
  for (const code of [4401, 4403, 4429]) expect(endingOf(code, '', true).words).toContain('is still here')
})

test('whoever could not write is not told of their words', () => {
  for (const code of [4401, 4403, 4404]) expect(endingOf(code, '', false).words).not.toContain('wrote')
})

test('for all else the server has the word', () => {
  expect(endingOf(4404, 'The document was deleted.', true)).toEqual({
    words: 'The server has closed this document: The document was deleted. Copy what you wrote if you need it.',
    remedy: 'none',
  })
})

test.each([[1000, false], [1001, false], [1006, false], [1012, false], [1013, false], [4400, true], [4401, true], [4499, true], [4500, false]])(
  'after %i coming back is given up: %j',
  (code, given) => {
    expect(isForGood(code)).toBe(given)
  },
)
