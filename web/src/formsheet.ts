/**
 * A plan as a form: every field of the page is a place in a json0 document. What others do is shown as it comes, and beside
 * each field stands who is in it.
 */
import type { Connection, Doc } from 'sharedb/lib/client'
import { channelOf } from './address.ts'
import { byId } from './dom.ts'
import type { Edit } from './difference.ts'
import { showWhoIsWhere, tellWhereIAm } from './occupying.ts'
import { add, BLANK, planOf, put, type Path, type Plan } from './plan.ts'
import { Room } from './room.ts'
import type { Sheet } from './sharing.ts'
import { Tasks } from './tasks.ts'
import { TextField } from './textfield.ts'

const JSON0 = 'http://sharejs.org/types/JSONv0'
/** The texts, each with the id of its field. */
const TEXTS = [['title', 'title-field'], ['about', 'about']] as const

type Component = Edit & Record<string, unknown>

export class FormSheet implements Sheet {
  readonly type = JSON0
  readonly blank = BLANK
  readonly #form = byId<HTMLFormElement>('form')
  readonly #controls = byId<HTMLFieldSetElement>('controls')
  readonly #texts = new Map<string, TextField>()
  #tasks: Tasks | null = null
  #doc: Doc | null = null

  attach(doc: Doc, connection: Connection): Room {
    const room = new Room(connection, connection.getPresence(channelOf(doc)))
    this.#doc = doc
    this.#tasks = new Tasks(byId('tasks'), doc)
    for (const [name, id] of TEXTS) this.#texts.set(name, new TextField(byId<HTMLInputElement>(id), doc, () => [name]))
    this.#bindOthers(doc)
    doc.on('op', (operation: Component[], source: unknown) => this.#happened(operation, source))
    this.#form.addEventListener('submit', (event) => event.preventDefault())
    tellWhereIAm(this.#form, room)
    room.on('change', () => showWhoIsWhere(this.#form, room))
    room.enter()
    return room
  }

  load(): void {
    this.#show()
  }

  allowWriting(may: boolean): void {
    this.#controls.disabled = !may
  }

  /** What is no text: a date, a number, a tick, a list. */
  #bindOthers(doc: Doc): void {
    const submit = (operation: unknown) => doc.submitOp(operation, { source: this })
    const [date, open] = [byId<HTMLInputElement>('date'), byId<HTMLInputElement>('open')]
    date.addEventListener('change', () => submit(put(doc.data, ['date'], date.value)))
    open.addEventListener('change', () => submit(put(doc.data, ['open'], open.checked)))
    byId('fewer').addEventListener('click', () => submit(add(doc.data, ['places'], -1)))
    byId('more').addEventListener('click', () => submit(add(doc.data, ['places'], 1)))
    byId('add-task').addEventListener('click', () => this.#tasks!.add())
  }

  /** Edits of a text are told to its field, which knows where its caret is; all else is read from the document again. */
  #happened(operation: Component[], source: unknown): void {
    for (const component of operation) {
      const field = isEdit(component) ? this.#fieldAt(component.p.slice(0, -1)) : undefined
      if (field !== undefined && field !== source) field.heard({ ...component, p: component.p.slice(-1) })
    }
    this.#show()
  }

  #fieldAt(path: Path): TextField | undefined {
    return path.length === 1 ? this.#texts.get(String(path[0])) : this.#tasks!.fieldAt(path)
  }

  #show(): void {
    const plan = planOf(this.#doc!.data)
    for (const [name] of TEXTS) this.#texts.get(name)!.reset(plan[name])
    byId<HTMLInputElement>('date').value = plan.date
    byId<HTMLInputElement>('open').checked = plan.open
    byId('places').textContent = String(plan.places)
    byId<HTMLButtonElement>('fewer').disabled = plan.places <= 0
    this.#tasks!.show(plan.tasks)
    byId('tally').textContent = tally(plan)
  }
}

function isEdit(component: Component): boolean {
  return component.si !== undefined || component.sd !== undefined
}

/** How far the tasks are. */
export function tally({ tasks }: Plan): string {
  const done = tasks.filter((task) => task.done).length
  return tasks.length === 0 ? 'Nothing to do yet' : `${done} of ${tasks.length} done`
}
