// Somebody who edits one document with the unmodified ShareDB client, connects again whenever the socket is gone, and may go
// offline. Errors are kept: most tests allow none.
import WebSocket from 'ws'
import { Connection } from './client.mjs'
import { until } from '../clients/until.mjs'

const SOON_MS = 5

/** Joins through a URL; leaves when the test ends. */
export function join (test, url, collection, id) {
  const person = new Person(url, collection, id)
  test.after(() => person.leave())
  return person
}

class Person {
  constructor (url, collection, id) {
    Object.assign(this, { url, online: true, errors: [], acked: 0 })
    this.connection = new Connection(this.#socket())
    this.connection.on('error', error => this.errors.push(error))
    this.doc = this.connection.get(collection, id)
    this.doc.on('error', error => this.errors.push(error))
  }

  /** Its content as data, whatever the type makes of it. */
  get content () {
    return this.doc.data === undefined ? undefined : JSON.parse(JSON.stringify(this.doc.data))
  }

  get presence () {
    return this.connection.getDocPresence(this.doc.collection, this.doc.id)
  }

  create (data, type) {
    return this.#answer(done => this.doc.create(data, type, done))
  }

  subscribe () {
    return this.#answer(done => this.doc.subscribe(done))
  }

  fetch () {
    return this.#answer(done => this.doc.fetch(done))
  }

  snapshot (version) {
    return this.#answer(done => this.connection.fetchSnapshot(this.doc.collection, this.doc.id, version, done))
  }

  snapshotAt (time) {
    return this.#answer(done => this.connection.fetchSnapshotByTimestamp(this.doc.collection, this.doc.id, time, done))
  }

  /** Edits, and counts when it is acknowledged. An error is kept unless it is one of those that the test expects. */
  edit (op) {
    this.doc.submitOp(op, error => this.#edited(error))
  }

  remove () {
    this.doc.del(error => this.#edited(error))
  }

  make (data, type) {
    this.doc.create(data, type, error => this.#edited(error))
  }

  goOffline () {
    this.online = false
    this.connection.socket.terminate()
  }

  goOnline () {
    if (this.online) return
    this.online = true
    this.#comeBack()
  }

  /** The socket breaks; the client comes back by itself. */
  cut () {
    this.connection.socket.terminate()
  }

  leave () {
    this.online = false
    this.connection.socket.terminate()
  }

  async settled () {
    await until('all is acknowledged', () => this.connection.state === 'connected' && !this.connection.hasPending())
  }

  #edited (error) {
    if (error) this.errors.push(error)
    else this.acked += 1
  }

  #socket () {
    const socket = new WebSocket(this.url)
    socket.on('error', () => {})
    socket.on('close', () => this.#comeBack())
    return socket
  }

  // The client is given a new socket only when it knows that the old one is gone.
  #comeBack () {
    setTimeout(() => {
      const isGone = this.connection.socket.readyState === WebSocket.CLOSED
      if (this.online && isGone) this.connection.bindToSocket(this.#socket())
    }, SOON_MS)
  }

  #answer (ask) {
    return new Promise((resolve, reject) => ask((error, answer) => error ? reject(error) : resolve(answer)))
  }
}
