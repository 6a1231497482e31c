import { expect, test } from 'vitest'
import { types } from 'sharedb/lib/client'
import { add, addTask, BLANK, moveTask, planOf, put, removeTask, type Operation } from './plan.ts'

const json0 = types.map['json0']!
const after = (data: unknown, ...operations: Operation[]) => operations.reduce((now, operation) => json0.apply(structuredClone(now), operation), data)
const task = (id: string) => ({ id, text: `do ${id}`, done: false })

test.each([[null], [7], ['text'], [[]], [{}], [{ title: 7, tasks: {}, places: 'many', open: 'yes' }], [{ tasks: [null, 3, { id: 4 }] }]])(
  'a document that is %j is shown as an empty plan',
  (data) => {
    expect(planOf(data)).toEqual(BLANK)
  },
)

test('what is a task is shown in its place, whatever else is in the list', () => {
  const plan = planOf({ tasks: ['stray', task('a'), { id: 'a' }, task('b')] })
  expect(plan.tasks.map(({ id, at, text }) => [id, at, text])).toEqual([['a', 1, 'do a'], ['a+', 2, ''], ['b', 3, 'do b']])
})

test('tasks are added, moved and taken out by operations that json0 takes', () => {
  let data = after(BLANK, addTask(BLANK, 0, task('a')))
  data = after(data, addTask(data, 1, task('b')), addTask(data, 2, task('c')), moveTask(2, 0))
  expect(planOf(data).tasks.map(({ id }) => id)).toEqual(['c', 'a', 'b'])
  data = after(data, removeTask(data, 1))
  expect(planOf(data).tasks.map(({ id }) => id)).toEqual(['c', 'b'])
})

test('what is not as it should be is replaced when it is filled in', () => {
  for (const data of [{}, { title: 7, places: 'many', tasks: null }]) {
    const now = after(data, put(data, ['title'], 'Fair'), add(data, ['places'], 2), addTask(data, 0, task('a')))
    expect(planOf(now)).toMatchObject({ title: 'Fair', places: 2, tasks: [task('a')] })
  }
})

test('two who add to a number at once have both added', () => {
  const [mine, yours] = [add(BLANK, ['places'], 1), add(BLANK, ['places'], 1)]
  expect(after(BLANK, mine, json0.transform(yours, mine, 'left'))).toMatchObject({ places: 2 })
})
