/** Says why a connection ended, and waits for what helps: another token, or somebody's word that it be tried again. */
import { element, say } from './dom.ts'
import type { Ending } from './ending.ts'
import { signIn } from './signin.ts'

/** Resolves once it may be tried again, and says whether it may at all. */
export async function helped(where: HTMLElement, { words, remedy }: Ending): Promise<boolean> {
  if (remedy === 'none') say(where, words)
  if (remedy === 'sign in') await signIn(where, words)
  if (remedy === 'try again') await askToTryAgain(where, words)
  return remedy !== 'none'
}

function askToTryAgain(where: HTMLElement, words: string): Promise<void> {
  return new Promise((resolve) => {
    const button = element('button', { type: 'button' }, 'Try again')
    button.addEventListener('click', () => resolve())
    where.replaceChildren(element('span', {}, words), button)
    where.hidden = false
  })
}
