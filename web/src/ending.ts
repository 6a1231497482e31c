/**
 * Why the server ended a connection for good, in words for whoever is writing, and what they can do about it. The codes
 * stand in `docs/protocols.md`.
 */

export interface Ending {
  words: string
  /** What helps: another token, trying again later, or nothing. */
  remedy: 'sign in' | 'try again' | 'none'
}

const KEPT = ' What you wrote is still here, but what was not saved yet is in this tab only.'

/** Codes after which coming back would only repeat what went wrong (`docs/protocols.md`). */
export function isForGood(code: number): boolean {
  return code >= 4400 && code < 4500
}

/** `wrote`: whether this person may have written something that is not saved. */
export function endingOf(code: number, reason: string, wrote: boolean): Ending {
  const kept = wrote ? KEPT : ''
  switch (code) {
    case 4401:
      return { words: `Your access has ended.${kept} Sign in again to go on.`, remedy: 'sign in' }
    case 4403:
      return { words: `Your token does not let you do this, or was revoked.${kept} Sign in again to go on.`, remedy: 'sign in' }
    case 4429:
      return { words: `As many people are editing this document as may at once.${kept}`, remedy: 'try again' }
    default:
      return { words: `The server has closed this document${reason === '' ? '' : `: ${reason.replace(/\.$/, '')}`}.${wrote ? ' Copy what you wrote if you need it.' : ''}`, remedy: 'none' }
  }
}
