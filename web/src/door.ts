/**
 * The door to a document: who may come in and write, and what becomes of those who may no longer. Whatever happens, the text
 * stays on the page; it is only not editable while nobody would take what is written.
 */
import type { EditorView } from '@codemirror/view'
import type { WebsocketProvider } from 'y-websocket'
import { accessTo, type Access } from './access.ts'
import { byId, say } from './dom.ts'
import { allowWriting } from './editor.ts'
import { endingOf } from './ending.ts'
import { helped } from './remedy.ts'
import { socketOptions } from './token.ts'

const READ_ONLY = 'You may read this document, not change it.'

export class Door {
  readonly #banner = byId('banner')
  #access: Access | null = null
  #tell = () => {}

  constructor(
    private readonly name: string,
    private readonly provider: WebsocketProvider,
    private readonly editor: EditorView,
  ) {}

  /** Whether this person is in, or was and is about to come back by themselves. */
  get isOpen(): boolean {
    return this.#access !== null
  }

  get mayWrite(): boolean {
    return this.#access?.mayWrite ?? true
  }

  /** What this person has to know of what they may do. */
  get note(): string | null {
    return this.mayWrite ? null : READ_ONLY
  }

  onChange(tell: () => void): void {
    this.#tell = tell
  }

  /** Lets this person in as soon as they may read the document, with the token that they have by then. */
  async enter(): Promise<void> {
    const access = await accessTo(this.name, this.#banner)
    this.#access = access
    say(this.#banner, this.note)
    byId('history-toggle').hidden = !access.maySeeHistory
    allowWriting(this.editor, access.mayWrite)
    this.#tell()
    const { protocols, params } = socketOptions()
    // Tabs that may not write must not pass on, as theirs, what they hear from those that may.
    Object.assign(this.provider, { protocols, params, disableBc: !access.mayWrite })
    this.provider.connect()
  }

  /** The server has closed the document for good, as far as it is concerned. */
  async closed(code: number, reason: string): Promise<void> {
    this.#access = null
    allowWriting(this.editor, false)
    if (await helped(this.#banner, endingOf(code, reason, this.mayWrite))) await this.enter()
  }
}
