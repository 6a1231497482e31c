import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Latest, type Ask } from './latest.ts'

const PATIENCE_MS = 100

let started: string[]
let values: string[]
let errors: unknown[]
let finish: Map<string, (value: string | Error) => void>
let latest: Latest<string>

beforeEach(() => {
  vi.useFakeTimers()
  started = []
  values = []
  errors = []
  finish = new Map()
  latest = new Latest<string>({ value: (value) => values.push(value), error: (error) => errors.push(error) }, PATIENCE_MS)
})

afterEach(() => {
  vi.useRealTimers()
})

/** A request that answers when told to, and fails at once when it is aborted, as `fetch` does. */
const request = (name: string): Ask<string> => (signal) =>
  new Promise((resolve, reject) => {
    started.push(name)
    signal.addEventListener('abort', () => reject(new Error('aborted')))
    finish.set(name, (answer) => (answer instanceof Error ? reject(answer) : resolve(answer)))
  })

const settle = () => vi.advanceTimersByTimeAsync(0)

test('one request at a time, and of those that wait only the newest', async () => {
  for (const name of ['a', 'b', 'c', 'd']) latest.ask(request(name))
  expect(started).toEqual(['a'])
  finish.get('a')!('A')
  await settle()
  expect(started).toEqual(['a', 'd'])
  finish.get('d')!('D')
  await settle()
  expect(values).toEqual(['A', 'D'])
})

test('a slow request is dropped when something newer waits', async () => {
  latest.ask(request('slow'))
  await vi.advanceTimersByTimeAsync(10 * PATIENCE_MS)
  latest.ask(request('new'))
  await vi.advanceTimersByTimeAsync(PATIENCE_MS)
  expect(started).toEqual(['slow', 'new'])
  finish.get('new')!('N')
  await settle()
  expect(values).toEqual(['N'])
  expect(errors).toEqual([])
})

test('an error is told, and the next request goes ahead', async () => {
  latest.ask(request('a'))
  latest.ask(request('b'))
  finish.get('a')!(new Error('no'))
  await settle()
  finish.get('b')!('B')
  await settle()
  expect(errors).toEqual([new Error('no')])
  expect(values).toEqual(['B'])
})

test('after cancelling nothing is answered, and a later request is', async () => {
  latest.ask(request('a'))
  latest.ask(request('b'))
  latest.cancel()
  await settle()
  expect(started).toEqual(['a'])
  latest.ask(request('c'))
  finish.get('c')!('C')
  await settle()
  expect(values).toEqual(['C'])
  expect(errors).toEqual([])
})
