/**
 * The two ways in which the pages show a document. They are two texts in it: what is written in one is not in the other,
 * while the people in both see each other.
 */
import { byId } from './dom.ts'

export interface View {
  path: string
  title: string
}

export const PLAIN: View = { path: '/edit', title: 'Plain text' }
export const RICH: View = { path: '/write', title: 'Rich text' }

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
