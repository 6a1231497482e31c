/**
 * The line to the server: the stock adapter of automerge-repo, which comes back by itself. It looks at no reason for which
 * a server ends a connection, and gives up for none; those for which coming back would be pointless end it here.
 */
import { cbor, type PeerId, type PeerMetadata } from '@automerge/automerge-repo/slim'
import { WebSocketClientAdapter } from '@automerge/automerge-repo-network-websocket'
import { WORKSPACE } from './api.ts'
import { isForGood } from './ending.ts'
import { currentToken } from './token.ts'

const RETRY_AFTER_MS = 2_000
/** Closed for having been silent for long, or because we have come back on another connection. */
const NOT_FOR_GOOD = [4408, 4409]
/** No message about an error is longer. */
const ERROR_MAX_BYTES = 8 * 1024

/** What the adapter does not tell a repository. */
export interface LineEvents {
  /** The server has closed for good, and says why. */
  ended(code: number, reason: string): void
  /** The server does not take something, or does not give it, and says why. */
  refused(reason: string): void
}

export class Line extends WebSocketClientAdapter {
  #isOver = false

  constructor(private readonly events: LineEvents) {
    super(address(), RETRY_AFTER_MS)
    const comeBack: (event?: unknown) => void = this.onClose
    this.onClose = (event?: CloseEvent) => (isTheEnd(event) ? events.ended(event!.code, event!.reason) : comeBack())
  }

  /** The adapter would come back even after it has been taken away. The server says why it refuses something to whom reads it only. */
  override connect(peerId: PeerId, metadata?: PeerMetadata): void {
    const readsErrors = { readsErrors: true }
    if (!this.#isOver) super.connect(peerId, { ...metadata, ...readsErrors })
  }

  override disconnect(): void {
    this.#isOver = true
    super.disconnect()
  }

  /** What is said while the socket closes is not heard; both sides begin anew after it. */
  override send(message: Parameters<WebSocketClientAdapter['send']>[0]): void {
    if (this.socket?.readyState === WebSocket.OPEN) super.send(message)
  }

  override receiveMessage(bytes: Uint8Array): void {
    super.receiveMessage(bytes)
    if (bytes.byteLength > ERROR_MAX_BYTES) return
    const { type, message } = cbor.decode<{ type: string; message?: unknown }>(new Uint8Array(bytes))
    if (type === 'error') this.events.refused(String(message))
  }
}

function isTheEnd(event: CloseEvent | undefined): boolean {
  return event !== undefined && isForGood(event.code) && !NOT_FOR_GOOD.includes(event.code)
}

/** A token can be shown in the address only: the adapter opens its socket with nothing else. */
function address(): string {
  const token = currentToken()
  const query = token === null ? '' : `?${new URLSearchParams({ token })}`
  return `${location.origin.replace(/^http/, 'ws')}/automerge/${WORKSPACE}${query}`
}
