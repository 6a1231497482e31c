import { automergeWasmBase64 } from '@automerge/automerge/automerge.wasm.base64'
import { change, getConflicts, getHeads, initializeBase64Wasm, load, merge, toJS } from '@automerge/automerge/slim'
import { beforeAll, expect, test } from 'vitest'
import { beginning } from './beginning.ts'
import { isBoard } from './cards.ts'

interface Begun {
  text: string
  cards: Record<string, unknown>
}

beforeAll(() => initializeBase64Wasm(automergeWasmBase64))

test('the beginning is the same for all, now and later', () => {
  expect(getHeads(load(beginning()))).toEqual(getHeads(load(beginning())))
  expect(getHeads(load(beginning()))).toMatchInlineSnapshot(`
    [
      "cd8ec594be4813c652ce2c02473ea9fde9e0949cefd5fd7de9371d522af069d2",
    ]
  `)
  expect(isBoard(toJS(load(beginning())))).toBe(true)
})

test('two boards that were begun apart are one, with what was put on both', () => {
  const [one, other] = ['lanterns', 'posters'].map((card) => change(load<Begun>(beginning()), (doc) => void (doc.cards[card] = {})))
  const both = merge(one!, other!)
  expect(Object.keys(both.cards).sort()).toEqual(['lanterns', 'posters'])
  expect(getConflicts(both, 'cards')).toBeUndefined()
})
