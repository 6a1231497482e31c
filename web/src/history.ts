/**
 * The history panel: a slider over all changes of the document, and what it held after each of them. While the slider
 * stands at the end it stays at the end as new changes arrive; anywhere else it stays where it was put.
 */
import { changeCount, inPlainWords, momentOf, type Moment } from './api.ts'
import { byId, say } from './dom.ts'
import { Latest } from './latest.ts'
import { count, exactly, timeElement } from './times.ts'

/** How long to let edits gather before asking how many changes there are now. */
const REFRESH_AFTER_MS = 400
/** How long to wait before asking again in any case: an edit is seen before it is stored, and counts only then. */
const LOOK_AGAIN_AFTER_MS = 2_000

/** What is asked of the document's past, and how it is shown. */
export interface Past {
  /** What content is asked for, besides the place in the history. */
  query: Record<string, string>
  show(content: string): void
}

/** A past that is plain text, of one of the document's roots. */
export function textOf(field: string): Past {
  return { query: { format: 'text', field }, show: (content) => (byId('past').textContent = content) }
}

export class HistoryPanel {
  readonly #panel = byId('history')
  readonly #toggle = byId('history-toggle')
  readonly #slider = byId<HTMLInputElement>('moment')
  readonly #moments = new Latest<Moment>({ value: (moment) => this.#show(moment), error: (error) => this.#fail(error) })
  #refresh: ReturnType<typeof setTimeout> | undefined
  /** Whether a change is what is waited for. */
  #isSoon = false
  /** How many changes there were when the moment was asked for that is shown. */
  #shown: number | undefined

  constructor(
    private readonly name: string,
    private readonly past: Past,
  ) {
    this.#toggle.addEventListener('click', () => (this.#panel.hidden ? void this.#open() : this.#close()))
    byId('history-close').addEventListener('click', () => this.#close())
    byId('step-back').addEventListener('click', () => this.#moveTo(this.#slider.valueAsNumber - 1))
    byId('step-forward').addEventListener('click', () => this.#moveTo(this.#slider.valueAsNumber + 1))
    this.#slider.addEventListener('input', () => this.#ask())
    this.#panel.addEventListener('keydown', (event) => event.key === 'Escape' && this.#close())
  }

  /** The document has changed, here or elsewhere. */
  documentChanged(): void {
    if (this.#panel.hidden || this.#isSoon) return
    this.#measureIn(REFRESH_AFTER_MS)
    this.#isSoon = true
  }

  async #open(): Promise<void> {
    this.#setOpen(true)
    this.#shown = undefined
    this.#slider.focus()
    await this.#measure()
  }

  #close(): void {
    this.#stopRefresh()
    this.#moments.cancel()
    this.#setOpen(false)
    this.#toggle.focus()
  }

  #setOpen(open: boolean): void {
    this.#panel.hidden = !open
    this.#toggle.setAttribute('aria-expanded', String(open))
    document.body.classList.toggle('with-history', open)
  }

  /** Asks how many changes there are, and follows them when the slider stands at the end. */
  async #measure(): Promise<void> {
    this.#stopRefresh()
    try {
      const changes = await changeCount(this.name)
      if (changes !== this.#shown) this.#follow(changes)
    } catch (error) {
      this.#fail(error)
    }
    if (!this.#panel.hidden && !this.#isSoon) this.#measureIn(LOOK_AGAIN_AFTER_MS)
  }

  #follow(changes: number): void {
    const atEnd = this.#slider.value === this.#slider.max
    this.#slider.max = String(changes)
    if (atEnd) this.#slider.value = String(changes)
    this.#shown = changes
    this.#ask()
  }

  #measureIn(ms: number): void {
    this.#stopRefresh()
    this.#refresh = setTimeout(() => void this.#measure(), ms)
  }

  #stopRefresh(): void {
    clearTimeout(this.#refresh)
    this.#isSoon = false
  }

  #moveTo(index: number): void {
    this.#slider.value = String(index)
    this.#ask()
  }

  #ask(): void {
    const index = this.#slider.valueAsNumber
    byId('position').textContent = this.#position(index)
    this.#slider.setAttribute('aria-valuetext', this.#position(index))
    byId<HTMLButtonElement>('step-back').disabled = index === 0
    byId<HTMLButtonElement>('step-forward').disabled = this.#slider.value === this.#slider.max
    if (this.#slider.max === '0') return
    this.#moments.ask((signal) => momentOf(this.name, this.past.query, index, signal))
  }

  #position(index: number): string {
    const last = Number(this.#slider.max)
    if (last === 0) return 'No changes yet'
    return index === 0 ? `Before the first of ${count(last)} changes` : `Change ${count(index)} of ${count(last)}`
  }

  #show(moment: Moment): void {
    say(byId('history-problem'), null)
    this.past.show(moment.content)
    byId('past').dataset['index'] = String(moment.index)
    byId('fact-time').replaceChildren(moment.time === null ? '–' : timeElement(moment.time, exactly))
    byId('fact-author').textContent = moment.author ?? (moment.change === null ? '–' : 'anonymous')
    byId('fact-change').textContent = moment.change ?? '–'
  }

  #fail(error: unknown): void {
    this.#shown = undefined
    say(byId('history-problem'), `The history cannot be shown. ${inPlainWords(error)}`)
  }
}
