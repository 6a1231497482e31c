/**
 * A document of ShareDB's rich text in Quill: what is written here becomes operations, and operations of others are
 * written here.
 */
import { types, type Connection, type Doc } from 'sharedb/lib/client'
import type Quill from 'quill/core.js'
import Delta from 'quill-delta'
import { type as richText } from 'rich-text'
import { toShared, toShown, type Step } from './delta.ts'
import { Marks, NOWHERE } from './marks.ts'
import { Room } from './room.ts'
import type { Sheet } from './sharing.ts'

types.register(richText)

export class QuillSheet implements Sheet {
  readonly type = richText.uri
  /** As Quill's own documents begin. */
  readonly blank = [{ insert: '\n' }]
  #doc: Doc | null = null
  #room: Room | null = null

  constructor(private readonly quill: Quill) {}

  attach(doc: Doc, connection: Connection): Room {
    this.#doc = doc
    this.#listen(doc)
    this.#room = new Room(connection, connection.getDocPresence(doc.collection, doc.id), NOWHERE)
    new Marks(this.quill, this.#room)
    return this.#room
  }

  load(): void {
    const range = this.quill.getSelection()
    this.quill.setContents(shown(this.#doc!.data), 'api')
    this.quill.history.clear()
    if (range !== null) this.quill.setSelection(range)
    this.#room!.enter()
  }

  allowWriting(may: boolean): void {
    const begins = may && !this.quill.isEnabled()
    this.quill.enable(may)
    if (begins && document.activeElement === document.body) this.quill.focus()
  }

  #listen(doc: Doc): void {
    this.quill.on('text-change', (delta, _before, source) => {
      if (source === 'user') doc.submitOp({ ops: toShared(delta.ops) }, { source: this })
    })
    doc.on('op', (operation: unknown, source: unknown) => {
      if (source !== this) this.quill.updateContents(shown(operation), 'api')
    })
  }
}

/** An operation or a document, as a list of steps or with one inside. */
export function shown(delta: unknown): Delta {
  const steps = Array.isArray(delta) ? delta : (delta as { ops?: unknown }).ops
  return new Delta(toShown(Array.isArray(steps) ? (steps as Step[]) : []) as never)
}
