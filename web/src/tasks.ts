/**
 * The list of tasks in the form: rows that are added, taken out, ticked and put in another order, by many at once. A row
 * stays the same element while its task moves, so that whoever writes in it goes on doing so.
 */
import type { Doc } from 'sharedb/lib/client'
import { element } from './dom.ts'
import { randomId } from './identity.ts'
import { addTask, moveTask, put, removeTask, type Path, type Placed } from './plan.ts'
import { TextField } from './textfield.ts'

interface Row {
  item: HTMLLIElement
  done: HTMLInputElement
  words: HTMLInputElement
  field: TextField
  task: Placed
}

export class Tasks {
  readonly #rows = new Map<string, Row>()

  constructor(
    private readonly list: HTMLElement,
    private readonly doc: Doc,
  ) {}

  /** The fields in which the words of tasks are written, by their paths. */
  fieldAt(path: Path): TextField | undefined {
    const [tasks, at, field] = path
    return tasks === 'tasks' && field === 'text' ? this.#rowAt(Number(at))?.field : undefined
  }

  show(tasks: Placed[]): void {
    const gone = new Set(this.#rows.keys())
    for (const task of tasks) {
      gone.delete(task.id)
      this.#showTask(task)
    }
    for (const id of gone) this.#drop(id)
    tasks.forEach(({ id }, at) => this.#stand(this.#rows.get(id)!.item, at))
  }

  /** A new task below all others, ready to be written. */
  add(): void {
    this.#addAt(this.#length())
  }

  #showTask(task: Placed): void {
    const row = this.#rows.get(task.id) ?? this.#newRow(task)
    row.task = task
    row.done.checked = task.done
    row.item.classList.toggle('done', task.done)
    row.field.reset(task.text)
  }

  /** Only rows that stand elsewhere are moved: moving an element takes the focus from it. */
  #stand(item: HTMLElement, at: number): void {
    if (this.list.children[at] === item) return
    const focused = item.contains(document.activeElement) ? (document.activeElement as HTMLElement) : null
    this.list.insertBefore(item, this.list.children[at] ?? null)
    focused?.focus()
  }

  #drop(id: string): void {
    this.#rows.get(id)?.item.remove()
    this.#rows.delete(id)
  }

  #newRow(task: Placed): Row {
    const grip = element('button', { type: 'button', class: 'grip', 'aria-label': 'Move this task', title: 'Drag, or press the arrow keys' }, '⠿')
    const done = element('input', { type: 'checkbox', 'aria-label': 'Done' })
    const words = element('input', { type: 'text', 'aria-label': 'Task', placeholder: 'What is to be done', autocomplete: 'off', spellcheck: 'true' })
    const remove = element('button', { type: 'button', class: 'remove', 'aria-label': 'Remove this task' }, '×')
    const item = element('li', { 'data-field': `tasks/${task.id}` }, grip, done, words, remove)
    const row: Row = { item, done, words, task, field: new TextField(words, this.doc, () => this.#pathOf(row)) }
    this.#rows.set(task.id, row)
    done.addEventListener('change', () => this.#submit(put(this.doc.data, ['tasks', row.task.at, 'done'], done.checked)))
    remove.addEventListener('click', () => this.#remove(row))
    words.addEventListener('keydown', (event) => this.#pressed(event, row))
    grip.addEventListener('keydown', (event) => this.#steer(event, row))
    grip.addEventListener('pointerdown', (event) => this.#drag(event, row))
    return row
  }

  #pathOf(row: Row): Path | null {
    return this.#rows.get(row.task.id) === row ? ['tasks', row.task.at, 'text'] : null
  }

  /** Enter begins another task below, and Backspace in an empty one takes it out. */
  #pressed(event: KeyboardEvent, row: Row): void {
    if (event.isComposing) return
    if (event.key === 'Enter') this.#addAt(row.task.at + 1)
    else if (event.key === 'Backspace' && row.words.value === '') this.#remove(row)
    else return
    event.preventDefault()
  }

  #steer(event: KeyboardEvent, row: Row): void {
    const by = { ArrowUp: -1, ArrowDown: 1 }[event.key]
    if (by === undefined) return
    event.preventDefault()
    this.#moveTo(row, row.task.at + by)
  }

  /** Everybody sees the row on its way: each neighbour that it passes is an operation. */
  #drag(event: PointerEvent, row: Row): void {
    event.preventDefault()
    const control = new AbortController()
    const under = (y: number) => [...this.#rows.values()].find(({ item }) => y >= item.getBoundingClientRect().top && y < item.getBoundingClientRect().bottom)
    row.item.classList.add('dragged')
    document.addEventListener('pointermove', ({ clientY }) => this.#moveTo(row, (under(clientY) ?? row).task.at), control)
    const drop = () => (row.item.classList.remove('dragged'), control.abort())
    for (const end of ['pointerup', 'pointercancel'] as const) document.addEventListener(end, drop, control)
  }

  #moveTo(row: Row, to: number): void {
    if (to !== row.task.at && to >= 0 && to < this.#length()) this.#submit(moveTask(row.task.at, to))
  }

  #addAt(at: number): void {
    this.#submit(addTask(this.doc.data, at, { id: randomId(), text: '', done: false }))
    this.#rowAt(at)?.words.focus()
  }

  #remove(row: Row): void {
    const neighbour = row.item.previousElementSibling ?? row.item.nextElementSibling
    this.#submit(removeTask(this.doc.data, row.task.at))
    neighbour?.querySelector<HTMLInputElement>('input[type=text]')?.focus()
  }

  #submit(operation: unknown): void {
    this.doc.submitOp(operation, { source: this })
  }

  #rowAt(at: number): Row | undefined {
    return [...this.#rows.values()].find(({ task }) => task.at === at)
  }

  #length(): number {
    const { tasks } = this.doc.data as { tasks?: unknown[] }
    return Array.isArray(tasks) ? tasks.length : 0
  }
}
