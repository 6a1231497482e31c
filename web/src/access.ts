/**
 * What this person may do with a document, as the server tells it. Where nobody is asked who they are, that is everything.
 */
import { ApiError, whoAmI } from './api.ts'
import { signIn } from './signin.ts'
import { currentToken } from './token.ts'

export interface Access {
  /** Who the server takes this person for; null if anonymous. */
  user: string | null
  mayWrite: boolean
  maySeeHistory: boolean
}

/** Where the server cannot be reached nothing is known; it decides again for itself once it can be. */
const UNKNOWN: Access = { user: null, mayWrite: true, maySeeHistory: true }

/** Asks until this person may at least read the document; meanwhile `where` says why not, and asks for a token. */
export async function accessTo(document: string, where: HTMLElement): Promise<Access> {
  for (;;) {
    const access = await look(document)
    if (typeof access !== 'string') return access
    await signIn(where, access)
  }
}

/** What may be done, or why nothing may. */
async function look(document: string): Promise<Access | string> {
  try {
    const { user, access } = await whoAmI(document)
    const may = (capability: string) => access?.may.includes(capability) ?? false
    if (!may('read')) return `${user === null ? 'You' : `You are ${user}, and`} may not read this document. Sign in as somebody who may.`
    return { user, mayWrite: may('write'), maySeeHistory: may('history') }
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return whyNot(error)
    return UNKNOWN
  }
}

/** Why somebody has to sign in, in words for them. */
export function whyNot(error: ApiError): string {
  if (currentToken() === null) return 'This server asks who you are.'
  switch (error.code) {
    case 'token_expired':
      return 'Your token has expired. Sign in with a new one.'
    case 'token_revoked':
      return 'Your token was revoked. Sign in with a new one.'
    default:
      return 'The server does not take this token. Sign in with another one.'
  }
}
