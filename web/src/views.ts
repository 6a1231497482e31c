/**
 * The ways in which the pages show a document. Those of a Yjs document are two texts in it: what is written in one is not
 * in the other, while the people in both see each other. Documents of ShareDB have one, by their type, and those of Automerge
 * the board.
 */
import { byId } from './dom.ts'

export interface View {
  path: string
  title: string
}

export const PLAIN: View = { path: '/edit', title: 'Plain text' }
export const RICH: View = { path: '/write', title: 'Rich text' }

export const QUILL: View = { path: '/quill', title: 'Quill' }
export const FORM: View = { path: '/form', title: 'Form' }

export const BOARD: View = { path: '/board', title: 'Board' }

/** The collections of documents that are named without one, by the page that opens them. */
export const TEXTS = 'texts'
export const FORMS = 'forms'

/** How a document can be shown, by its kind; of JSON, only what is there to be shown in the form. */
export function viewsOf(kind: string, name: string): View[] {
  if (kind === 'yjs') return [PLAIN, RICH]
  if (kind === 'rich-text') return [QUILL]
  if (kind === 'automerge') return [BOARD]
  return kind === 'json0' && name.startsWith(`${FORMS}/`) ? [FORM] : []
}

export function addressOf(view: View, document: string): string {
  return `${view.path}?${new URLSearchParams({ document })}`
}

/** Fills in the links from one view of a document to the other. */
export function linkViews(document: string): void {
  for (const link of byId('views').querySelectorAll('a')) {
    const view = [PLAIN, RICH].find(({ path }) => path === link.getAttribute('href'))
    if (view !== undefined) link.setAttribute('href', addressOf(view, document))
  }
}
