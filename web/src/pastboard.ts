/** A board as it was, to be read and not to be changed. */
import { boardOf } from './cards.ts'
import { element } from './dom.ts'

export function showBoard(where: HTMLElement, content: string): void {
  const { title, text, columns } = boardOf(JSON.parse(content))
  where.replaceChildren(
    ...(title === '' ? [] : [element('h3', {}, title)]),
    ...(text === '' ? [] : [element('p', { class: 'about' }, text)]),
    ...columns.map((column) =>
      element(
        'section',
        {},
        element('h4', {}, column.title),
        column.cards.length === 0 ? element('p', { class: 'none' }, 'No cards') : element('ul', {}, ...column.cards.map((card) => element('li', {}, card.text))),
      ),
    ),
  )
}
