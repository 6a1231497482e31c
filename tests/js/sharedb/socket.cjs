// The socket that the client is given: a WebSocket that closes as ShareDB's own test socket does, at once and with a reason,
// takes what is sent before it is open, and translates what the tests' own types say (`translate.cjs`) and the times that they ask for (`clock.cjs`).
const WebSocket = require('ws')
const clock = require('./clock.cjs')
const translate = require('./translate.cjs')
const { needs } = require('./needs.cjs')

class Socket {
  constructor (url, backend) {
    this.backend = backend
    this.readyState = 0
    this.seen = null
    this.waiting = []
    this.real = new WebSocket(url)
    this.real.on('open', () => this.#opened())
    this.real.on('message', data => this.#received(JSON.parse(data)))
    this.real.on('close', code => this.#ended(code === 1000 ? 'stopped' : 'disconnected'))
    this.real.on('error', error => { if (this.readyState < 2) this.onerror?.(error) })
  }

  get stream () {
    return needs('the stream inside the server')
  }

  send (data) {
    const message = translate.out(JSON.parse(data), this.backend.translated)
    if (message.a === 'hs' && message.id) this.seen = message.id
    if (message.a === 'nt') message.ts = clock.real(message.ts)
    if (this.readyState === 0) this.waiting.push(message)
    else this.real.send(JSON.stringify(message))
  }

  close (reason = 'closed') {
    if (this.readyState === 3) return
    this.real.close()
    this.#ended(reason)
  }

  #opened () {
    if (this.readyState !== 0) return
    this.readyState = 1
    this.onopen?.()
    for (const message of this.waiting) this.real.send(JSON.stringify(message))
  }

  #ended (reason) {
    if (this.readyState === 3) return
    this.readyState = 3
    this.onclose?.(reason)
  }

  #received (message) {
    const deliver = () => {
      if (this.readyState === 1) this.onmessage?.({ data: JSON.stringify(translate.back(message, this.backend.translated)) })
    }
    const fromOther = message.a === 'p' && !message.error && message.src !== this.#id()
    if (message.a === 'init' || message.a === 'hs') this.seen ??= message.id
    if (fromOther) this.#pass(translate.back(message, this.backend.translated), deliver)
    else deliver()
  }

  #id () {
    return this.seen
  }

  // What the tests put between the server and the client.
  #pass (presence, deliver) {
    const [sender] = this.backend.senders.slice(-1)
    if (!sender) return deliver()
    sender({ presence, collection: presence.c }, error => error ? needs('middleware that fails: sendPresence') : deliver())
  }
}

module.exports = { Socket }
