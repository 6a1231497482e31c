import { expect, test } from 'vitest'
import { types } from 'sharedb/lib/client'
import { difference, type Edit } from './difference.ts'
import { Draft } from './draft.ts'

const apply = (text: string, edits: Edit[]): string => types.map['json0']!.apply(text, edits)

test('what is typed while others are unseen lands where it was meant, and the field ends with what all have', () => {
  const draft = new Draft('one two')
  draft.heard({ p: [0], si: 'zero ' })
  draft.heard({ p: [9], sd: 'two' })
  const document = 'zero one '
  const edits = draft.typed('one and two')
  expect(apply(document, edits)).toBe('zero one and ')
  draft.catchUp([])
  expect(draft.text).toBe('zero one and ')
})

test('carets stay between their letters', () => {
  const draft = new Draft('keeper')
  draft.heard({ p: [0], si: 'the ' })
  expect(draft.catchUp([0, 3, 6])).toEqual([0, 7, 10])
  draft.heard({ p: [2], sd: 'e keep' })
  expect(draft.catchUp([1, 4, 10])).toEqual([1, 2, 4])
  expect(draft.text).toBe('ther')
})

test('whatever is typed and heard in whatever order, field and document end as one', () => {
  let seed = 7
  const chance = (below: number) => (seed = (seed * 48271) % 2147483647) % below
  const letters = ['a', 'b', '🌊', ' ', 'é']
  const changedAtRandom = (text: string): string => {
    const at = chance(text.length + 1)
    return text.slice(0, at) + (chance(3) === 0 ? '' : letters[chance(letters.length)]) + text.slice(at + chance(3))
  }
  for (let round = 0; round < 300; round += 1) {
    let document = 'a lantern'
    const draft = new Draft(document)
    for (let step = 0; step < 12; step += 1) {
      const mine = chance(2) === 0
      const edits = mine ? draft.typed(changedAtRandom(draft.text)) : difference(document, changedAtRandom(document))
      document = apply(document, edits)
      if (!mine) for (const edit of edits) draft.heard(edit)
      if (chance(4) === 0) draft.catchUp([])
    }
    draft.catchUp([])
    expect(draft.text, `round ${round}`).toBe(document)
  }
})
