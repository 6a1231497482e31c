/**
 * The few things that we ask of the page: elements that must be there, and new ones built from text. Text only ever
 * enters the page as text, so a document's name or a person's name can never become markup.
 */

/** The element with this id, which the page's HTML promises to have. */
export function byId<E extends HTMLElement = HTMLElement>(id: string): E {
  const found = document.getElementById(id)
  if (found === null) throw new Error(`the page has no element #${id}`)
  return found as E
}

export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, string> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value)
  made.append(...children)
  return made
}

/** Shows a sentence in an element that is hidden while it has nothing to say. */
export function say(where: HTMLElement, sentence: string | null): void {
  where.hidden = sentence === null
  where.textContent = sentence ?? ''
}
