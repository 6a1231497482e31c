import { beforeEach, expect, test } from 'vitest'
import { Receipts } from './receipts.ts'

const frame = (...body: number[]) => Uint8Array.of(1, 100, ...body)
const STEP_1 = frame(0, 0, 1, 0)
const STEP_2 = frame(0, 1, 2, 0, 0)
const UPDATE = frame(0, 2, 2, 0, 0)
const STORED = frame(8, 1)
const REFUSED = frame(8, 0)

let changes: number
let receipts: Receipts

beforeEach(() => {
  changes = 0
  receipts = new Receipts(() => (changes += 1))
})

test('each push is outstanding until it is said to be stored', () => {
  for (const push of [UPDATE, STEP_2]) receipts.sent(push)
  receipts.received(STORED)
  expect(receipts.outstanding).toBe(true)
  receipts.received(STORED)
  expect(receipts.outstanding).toBe(false)
  expect(changes).toBe(4)
})

test('a refused push stays outstanding', () => {
  receipts.sent(UPDATE)
  receipts.received(REFUSED)
  expect([receipts.outstanding, receipts.refused]).toEqual([true, true])
})

test.each([[STEP_1], [frame(1, 0)], [frame(2, 2, 0)], [Uint8Array.of(9)], [Uint8Array.of()], [Uint8Array.of(200)]])('%j is no push and no answer', (other) => {
  receipts.sent(other)
  receipts.received(other)
  expect([receipts.outstanding, receipts.refused, changes]).toEqual([false, false, 0])
})

test('a new socket begins anew', () => {
  receipts.sent(UPDATE)
  receipts.received(REFUSED)
  receipts.opened()
  expect([receipts.outstanding, receipts.refused]).toEqual([false, false])
})
