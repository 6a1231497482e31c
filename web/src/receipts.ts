/**
 * Counts what went over a socket to be stored, and what the server has said of it. The provider has a counter of its own,
 * which is set to one whenever it connects, although what was written offline is then sent edit by edit: the answer to
 * the first brings it to zero while the others are under way. Counting on the socket itself has no such moment.
 *
 * A frame is an address, a type and a body; steps 2 and updates are pushes, and each is answered by one sync status.
 */
import { createDecoder, readVarString, readVarUint, type Decoder } from 'lib0/decoding'

const SYNC = 0
const STEP_2 = 1
const UPDATE = 2
const SYNC_STATUS = 8
const STORED = 1

export class Receipts {
  #pushes = 0
  #stored = 0
  #refused = 0

  constructor(private readonly changed: () => void) {}

  /** Whether something was sent that is not stored. */
  get outstanding(): boolean {
    return this.#pushes > this.#stored
  }

  /** Whether the server has refused something since the socket was opened. */
  get refused(): boolean {
    return this.#refused > 0
  }

  /** A new socket owes nothing: after it is opened, the two sides compare what they have. */
  opened(): void {
    this.#pushes = this.#stored = this.#refused = 0
    this.changed()
  }

  sent(frame: Uint8Array): void {
    if (!isPush(frame)) return
    this.#pushes += 1
    this.changed()
  }

  received(frame: Uint8Array): void {
    const status = statusIn(frame)
    if (status === null) return
    if (status === STORED) this.#stored += 1
    else this.#refused += 1
    this.changed()
  }

  /** The class of WebSockets that tells these receipts what passes; a provider takes it as its own. */
  socketClass(): typeof WebSocket {
    const receipts = this
    return class extends WebSocket {
      constructor(url: string | URL, protocols?: string | string[]) {
        super(url, protocols)
        receipts.opened()
        this.addEventListener('message', ({ data }) => data instanceof ArrayBuffer && receipts.received(new Uint8Array(data)))
      }

      override send(data: Parameters<WebSocket['send']>[0]): void {
        super.send(data)
        if (data instanceof Uint8Array) receipts.sent(data)
      }
    }
  }
}

function isPush(frame: Uint8Array): boolean {
  return read(frame, (decoder) => readVarUint(decoder) === SYNC && [STEP_2, UPDATE].includes(readVarUint(decoder))) ?? false
}

function statusIn(frame: Uint8Array): number | null {
  return read(frame, (decoder) => (readVarUint(decoder) === SYNC_STATUS ? readVarUint(decoder) : null))
}

/** What stands behind the address; nothing in frames that have none, such as a ping. */
function read<T>(frame: Uint8Array, body: (decoder: Decoder) => T): T | null {
  try {
    const decoder = createDecoder(frame)
    readVarString(decoder)
    return body(decoder)
  } catch {
    return null
  }
}
