/**
 * The document of the form page, a plan for an event: its fields, the json0 operations that change them, and what may be
 * shown of it. Any client may write any JSON, so whatever is not as it should be is shown as missing, and is replaced
 * when somebody fills it in.
 */

export type Path = (string | number)[]
export type Operation = Record<string, unknown>[]

export interface Task {
  id: string
  text: string
  done: boolean
}

/** A task, and where it stands in the document. */
export interface Placed extends Task {
  at: number
}

export interface Plan {
  title: string
  about: string
  date: string
  places: number
  open: boolean
  tasks: Placed[]
}

export const BLANK = { title: '', about: '', date: '', places: 0, open: false, tasks: [] }

export function planOf(data: unknown): Plan {
  const { title, about, date, places, open, tasks } = record(data)
  return {
    title: text(title),
    about: text(about),
    date: text(date),
    places: Number.isFinite(places) ? (places as number) : 0,
    open: open === true,
    tasks: Array.isArray(tasks) ? placed(tasks) : [],
  }
}

/** What is at a path; nothing where the path leads nowhere. */
export function valueAt(data: unknown, path: Path): unknown {
  return path.reduce<unknown>((value, key) => (typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined), data)
}

/** Puts a value in the place of whatever is there. */
export function put(data: unknown, path: Path, value: unknown): Operation {
  const there = valueAt(data, path)
  return [{ p: path, oi: value, ...(there === undefined ? {} : { od: there }) }]
}

/** Adds to a number, together with all who do so at the same time. */
export function add(data: unknown, path: Path, number: number): Operation {
  return Number.isFinite(valueAt(data, path)) ? [{ p: path, na: number }] : put(data, path, number)
}

/** Puts a new task in this place. */
export function addTask(data: unknown, at: number, task: Task): Operation {
  return Array.isArray(valueAt(data, ['tasks'])) ? [{ p: ['tasks', at], li: task }] : put(data, ['tasks'], [task])
}

export function removeTask(data: unknown, at: number): Operation {
  return [{ p: ['tasks', at], ld: valueAt(data, ['tasks', at]) }]
}

export function moveTask(from: number, to: number): Operation {
  return [{ p: ['tasks', from], lm: to }]
}

/** Each by an id of its own, also where somebody has given two the same. */
function placed(tasks: unknown[]): Placed[] {
  const seen = new Set<string>()
  return tasks.flatMap((task, at) => {
    const { id, text: words, done } = record(task)
    if (typeof id !== 'string') return []
    let own = id
    while (seen.has(own)) own += '+'
    seen.add(own)
    return [{ id: own, text: text(words), done: done === true, at }]
  })
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}
