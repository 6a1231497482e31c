/** The lines that a developer needs to connect an editor of their own to this very server, and a button that copies them. */
import { WORKSPACE } from './api.ts'
import { currentToken } from './token.ts'

const COPIED_FOR_MS = 1500

/** Fills each element that has a `data-snippet`; the button beside it copies what it holds. */
export function offerSnippets(): void {
  const signedIn = currentToken() !== null
  const url = location.origin.replace(/^http/, 'ws')
  for (const shown of document.querySelectorAll<HTMLElement>('[data-snippet]')) {
    const code = CLIENTS[shown.dataset['snippet'] ?? '']!(url, signedIn)
    shown.textContent = code
    const button = shown.parentElement!.querySelector('button')!
    button.onclick = () => void copy(code, button, shown)
  }
}

function yWebsocket(url: string, signedIn: boolean): string {
  const token = signedIn ? ", {\n  protocols: ['quire', `quire-token-${token}`],\n}" : ''
  return [
    `import * as Y from 'yjs'`,
    `import { WebsocketProvider } from 'y-websocket'`,
    ``,
    `const doc = new Y.Doc()`,
    `const provider = new WebsocketProvider('${url}', 'my-document', doc${token})`,
  ].join('\n')
}

function hocuspocus(url: string, signedIn: boolean): string {
  return [
    `import * as Y from 'yjs'`,
    `import { HocuspocusProvider } from '@hocuspocus/provider'`,
    ``,
    `const provider = new HocuspocusProvider({`,
    `  url: '${url}',`,
    `  name: 'my-document',`,
    `  document: new Y.Doc(),`,
    ...(signedIn ? ['  token,'] : []),
    `})`,
  ].join('\n')
}

function sharedb(url: string, signedIn: boolean): string {
  const token = signedIn ? ", ['quire', `quire-token-${token}`]" : ''
  return [
    `import ReconnectingWebSocket from 'reconnecting-websocket'`,
    `import { Connection } from 'sharedb/lib/client'`,
    ``,
    `const socket = new ReconnectingWebSocket('${url}/sharedb/${WORKSPACE}'${token})`,
    `const doc = new Connection(socket).get('my-collection', 'my-document')`,
  ].join('\n')
}

/** The adapter opens its socket with an address and nothing else. */
function automerge(url: string, signedIn: boolean): string {
  const address = `${url}/automerge/${WORKSPACE}`
  return [
    `import { Repo } from '@automerge/automerge-repo'`,
    `import { WebSocketClientAdapter } from '@automerge/automerge-repo-network-websocket'`,
    ``,
    `const server = new WebSocketClientAdapter(${signedIn ? `\`${address}?token=${'${token}'}\`` : `'${address}'`})`,
    `const repo = new Repo({ network: [server] })`,
  ].join('\n')
}

/** By the `data-snippet` of the element. */
const CLIENTS: Record<string, (url: string, signedIn: boolean) => string> = { 'y-websocket': yWebsocket, hocuspocus, sharedb, automerge }

async function copy(code: string, button: HTMLButtonElement, shown: HTMLElement): Promise<void> {
  try {
    await navigator.clipboard.writeText(code)
    button.textContent = 'Copied'
  } catch {
    // Without a secure origin there is no clipboard; the lines are then selected, ready for the keyboard.
    getSelection()?.selectAllChildren(shown)
    button.textContent = 'Selected'
  }
  setTimeout(() => (button.textContent = 'Copy'), COPIED_FOR_MS)
}
