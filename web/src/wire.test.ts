import { expect, test } from 'vitest'
import { delayBefore, FIRST_DELAY_MS, LAST_DELAY_MS } from './wire.ts'

test('each try waits twice as long as the one before, up to a bound', () => {
  const delays = Array.from({ length: 60 }, (_, tries) => delayBefore(tries, () => 1))
  expect(delays[0]).toBe(FIRST_DELAY_MS)
  expect(delays[1]).toBe(2 * FIRST_DELAY_MS)
  expect(delays.at(-1)).toBe(LAST_DELAY_MS)
  expect(delays).toEqual([...delays].sort((a, b) => a - b))
})

test('clients that were cut off together come back spread over half of their wait', () => {
  expect(delayBefore(0, () => 0)).toBe(FIRST_DELAY_MS / 2)
})
