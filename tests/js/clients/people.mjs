// People at their editors: each a Y.Doc with the unmodified WebsocketProvider of y-websocket.
import { WebSocket } from 'ws'
import { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'
import { until } from './until.mjs'

// Each provider says goodbye when the process exits, and a crowd of them is no leak.
process.setMaxListeners(100)

/** Somebody who opens a room, and leaves when the test ends. */
export function join (test, server, room, options = {}) {
  const person = new Person(server, room, options)
  test.after(() => person.leave())
  return person
}

/** Waits until everybody is in sync with the server. */
export async function allSynced (people) {
  await until('everybody is in sync', () => people.every(person => person.provider.synced))
}

/** Waits until everybody reads the same, and the server's log gives that text too; returns it. */
export async function converged (server, room, people) {
  let texts
  await until('everybody reads the same, and so does the server', async () => {
    const stored = await server.text(room)
    texts = new Set([stored, ...people.map(person => person.text.toString())])
    return texts.size === 1
  })
  return [...texts][0]
}

class Person {
  constructor (server, room, options) {
    this.doc = new Y.Doc()
    this.text = this.doc.getText('text')
    // Within one process, providers would find each other without the server: disableBc forbids that.
    const settings = { WebSocketPolyfill: WebSocket, disableBc: true, ...options }
    this.provider = new WebsocketProvider(server.url, room, this.doc, settings)
    this.closes = []
    this.provider.on('connection-close', event => this.closes.push(event?.code))
  }

  get awareness () {
    return this.provider.awareness
  }

  append (words) {
    this.text.insert(this.text.length, words)
  }

  /** The states of all others that this person sees. */
  others () {
    const states = [...this.awareness.getStates()]
    return states.filter(([client, state]) => client !== this.doc.clientID && Object.keys(state).length > 0)
  }

  leave () {
    this.provider.destroy()
    // With the document goes the timer of its awareness, which would keep the process alive.
    this.doc.destroy()
  }

  /** Breaks the connection without a goodbye. */
  terminate () {
    this.provider.shouldConnect = false
    this.provider.ws.terminate()
  }
}
