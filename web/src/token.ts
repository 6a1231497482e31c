/**
 * The token with which this tab asks the server. It comes in the fragment of the address (`#token=…`), which no browser
 * sends anywhere, or from the sign-in field. It is kept for this tab only, and leaves the address bar at once, so that it
 * gets neither into bookmarks nor into what somebody copies from there.
 */

const KEY = 'quire.token'
const PARAMETER = 'token'

/** What a subprotocol may consist of (RFC 9110, section 5.6.2); every JWT does. */
const SUBPROTOCOL = /^[\w!#$%&'*+.^`|~-]+$/

let kept: string | null = null

/** Takes the token out of the address, if there is one. */
export function takeToken(): void {
  const fragment = new URLSearchParams(location.hash.slice(1))
  const token = fragment.get(PARAMETER)
  if (token === null) return
  fragment.delete(PARAMETER)
  const rest = fragment.toString()
  history.replaceState(history.state, '', `${location.pathname}${location.search}${rest === '' ? '' : `#${rest}`}`)
  if (token !== '') keepToken(token)
}

export function currentToken(): string | null {
  return kept ?? read()
}

export function keepToken(token: string): void {
  kept = token
  try {
    sessionStorage.setItem(KEY, token)
  } catch {
    // Storage may be forbidden; the token then lasts as long as this page.
  }
}

export function forgetToken(): void {
  kept = null
  try {
    sessionStorage.removeItem(KEY)
  } catch {
    // It was never stored.
  }
}

/** How a token is shown to the API. */
export function tokenHeaders(token = currentToken()): Record<string, string> {
  return token === null ? {} : { Authorization: `Bearer ${token}` }
}

/**
 * How a token is shown when a WebSocket is opened: as a subprotocol, because addresses get into logs; in the address only
 * where it has characters that no subprotocol may have.
 */
export function socketOptions(token = currentToken()): { protocols: string[]; params: Record<string, string> } {
  if (token === null) return { protocols: [], params: {} }
  if (!SUBPROTOCOL.test(token)) return { protocols: [], params: { token } }
  return { protocols: ['quire', `quire-token-${token}`], params: {} }
}

function read(): string | null {
  try {
    return sessionStorage.getItem(KEY)
  } catch {
    return null
  }
}
