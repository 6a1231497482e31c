// A bad network between ShareDB clients and a server: frames are late, operations are said twice (also long after), and sockets
// are cut, before or after what they were about to say has passed. Each direction of a socket keeps its order, as it must. A
// refusal passes once: a client takes every refusal as one of what it has under way (`Doc._handleOp`), and no network asks twice
// over one socket.
import { once } from 'node:events'
import WebSocket, { WebSocketServer } from 'ws'

const AGAIN = 0.08
const LONG_AGO = 0.04
const KEPT = 16
const LATE_MS = 12

/** Listens until the test ends. `cut` is the chance that a frame is the last one of its socket. */
export async function startProxy (test, target, random, { cut = 0.02 } = {}) {
  const proxy = new Proxy(target, random, cut)
  test.after(() => proxy.close())
  await once(proxy.server, 'listening')
  return proxy
}

class Proxy {
  constructor (target, random, cut) {
    Object.assign(this, { target, random, cut, calm: false, cuts: 0, again: 0, lines: new Set() })
    this.server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
    this.server.on('connection', (socket, request) => this.lines.add(new Line(this, socket, request.url)))
  }

  get url () {
    return `ws://127.0.0.1:${this.server.address().port}`
  }

  close () {
    for (const line of this.lines) line.end()
    this.server.close()
  }
}

// One client's socket and the one to the server that stands for it.
class Line {
  constructor (proxy, client, path) {
    Object.assign(this, { proxy, random: proxy.random, client, past: [], refused: new Set() })
    this.server = new WebSocket(`${proxy.target}${path}`)
    this.ways = [new Way(this, client, this.server), new Way(this, this.server, client)]
    for (const socket of [client, this.server]) {
      socket.on('close', () => this.end())
      socket.on('error', () => this.end())
    }
    client.on('message', data => this.#fromClient(String(data)))
    this.server.on('message', data => this.#fromServer(String(data)))
    this.server.on('open', () => this.ways[0].go())
    this.ways[1].go()
  }

  end () {
    this.client.terminate()
    this.server.terminate()
    this.proxy.lines.delete(this)
  }

  // A client says an operation again after a cut; a server must bear that whenever it comes.
  #fromClient (frame) {
    this.ways[0].say(frame)
    const message = JSON.parse(frame)
    if (message.a !== 'op' || this.proxy.calm) return
    this.past = [...this.past.slice(-KEPT), frame]
    if (this.random.chance(AGAIN)) this.#sayAgain(frame)
    if (this.random.chance(LONG_AGO)) this.#sayAgain(this.random.pick(this.past))
  }

  #fromServer (frame) {
    const message = JSON.parse(frame)
    if (message.a === 'op' && message.error) {
      const operation = `${message.src} ${message.seq}`
      if (this.refused.has(operation)) return
      this.refused.add(operation)
    }
    this.ways[1].say(frame)
  }

  #sayAgain (frame) {
    this.proxy.again += 1
    this.ways[0].say(frame)
  }
}

// One direction: a queue whose frames leave one after the other, each after a while.
class Way {
  constructor (line, from, to) {
    Object.assign(this, { line, from, to, frames: [], open: false, busy: false })
  }

  say (frame) {
    this.frames.push(frame)
    this.#next()
  }

  go () {
    this.open = true
    this.#next()
  }

  #next () {
    if (!this.open || this.busy || this.frames.length === 0) return
    this.busy = true
    const { calm, random } = this.line.proxy
    setTimeout(() => this.#pass(), calm || random.chance(0.6) ? 0 : random.below(LATE_MS))
  }

  #pass () {
    this.busy = false
    const { calm, random, cut } = this.line.proxy
    const isCut = !calm && random.chance(cut)
    const passes = !isCut || random.chance(0.5)
    const frame = this.frames.shift()
    if (passes && this.to.readyState === WebSocket.OPEN) this.to.send(frame)
    if (!isCut) return this.#next()
    this.line.proxy.cuts += 1
    // What has passed shall arrive, and its answer get lost.
    setTimeout(() => this.line.end(), 1)
  }
}
