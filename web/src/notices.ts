/**
 * What a writer sees of their saving: the one word in the bar, and a sentence in the banner for whoever needs more than
 * the word. Whoever was asked to sign in, or told why it is over, is told nothing else meanwhile.
 */
import { byId, say } from './dom.ts'
import type { SavingWord } from './saving.ts'

const BACK_ONLINE = 'Back online.'
const BACK_ONLINE_FOR_MS = 2500
const READ_ONLY = 'You may read this document, not change it. Others see that you are here.'
const NOT_SAVED = 'The server does not take what you wrote last. Copy it if you need it.'
const OFFLINE = 'You are offline, and all that you wrote is saved. Keep writing, and keep this tab open: your words join the others when the connection is back.'
const OFFLINE_UNSAVED = 'You are offline, and what you wrote last is not saved yet. Keep this tab open: your words join the others when the connection is back.'

export class Notices {
  /** Nobody is let in, or no longer. */
  isShut = true

  show(word: SavingWord, before: SavingWord, unsaved: boolean): void {
    const shown = byId('connection')
    shown.textContent = this.isShut && word === 'offline' ? 'not connected' : word
    shown.dataset['state'] = word
    this.explain(word, before, unsaved)
  }

  explain(word: SavingWord, before: SavingWord, unsaved: boolean): void {
    if (this.isShut) return
    const sentence = sentenceFor(word, unsaved)
    const banner = byId('banner')
    say(banner, sentence ?? (before === 'offline' ? BACK_ONLINE : null))
    if (banner.textContent === BACK_ONLINE) setTimeout(() => banner.textContent === BACK_ONLINE && say(banner, null), BACK_ONLINE_FOR_MS)
  }
}

function sentenceFor(word: SavingWord, unsaved: boolean): string | null {
  if (word === 'offline') return unsaved ? OFFLINE_UNSAVED : OFFLINE
  if (word === 'not saved') return NOT_SAVED
  return word === 'read only' ? READ_ONLY : null
}
