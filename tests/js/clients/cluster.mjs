// Three real nodes on a real Postgres and a real Redis, started by the script that people start them with, and balancers
// before them: a client knows one address, and what is behind it changes, also while it types.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { freePort } from '../../port.mjs'
import { BINARY } from './server.mjs'
import { until } from './until.mjs'

const SCRIPT = fileURLToPath(new URL('../../../deploy/three-nodes', import.meta.url))

/** Starts the nodes, which end with the test. */
export async function startCluster (test, { env = {} } = {}) {
  const cluster = new Cluster(await freePort(), env)
  test.after(() => cluster.end())
  await until('three nodes are ready', () => cluster.isReady())
  return cluster
}

class Cluster {
  constructor (port, env) {
    this.said = ''
    this.balancers = []
    this.process = spawn(SCRIPT, [], { env: { ...process.env, PORT: port, QUIRE: BINARY, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [this.process.stdout, this.process.stderr]) stream.on('data', chunk => { this.said += chunk })
    this.ended = once(this.process, 'exit')
  }

  isReady () {
    if (this.process.exitCode !== null) throw new Error(`the nodes ended by themselves and said:\n${this.said}`)
    const lines = this.said.matchAll(/^node-\d+ +http:\/\/127\.0\.0\.1:(\d+) +process (\d+)/gm)
    this.nodes = [...lines].map(([, port, process]) => ({ port: Number(port), process: Number(process) }))
    return this.nodes.length === 3 && this.said.includes('all are ready')
  }

  /** A balancer of one client's own, before a node. */
  async before (node) {
    const balancer = new Balancer(this, node)
    this.balancers.push(balancer)
    await balancer.listen()
    return balancer
  }

  /** What is stored of a document, as a node gives it, or nothing if there is no such document. */
  async text (name, node = 0) {
    const path = `/api/v1/workspaces/default/documents/${encodeURIComponent(name)}/content?format=text&field=text`
    const answer = await fetch(`http://127.0.0.1:${this.nodes[node].port}${path}`)
    return answer.ok ? await answer.text() : null
  }

  /** Ends a node as a crash does. */
  kill (node) {
    process.kill(this.nodes[node].process, 'SIGKILL')
  }

  async end () {
    for (const balancer of this.balancers) balancer.end()
    this.process.kill('SIGINT')
    await this.ended
  }
}

/** For a client it is a server. */
class Balancer {
  constructor (cluster, node) {
    this.cluster = cluster
    this.node = node
    this.guests = []
    this.pairs = new Set()
    this.listener = createServer(client => this.#carry(client))
  }

  async listen () {
    this.listener.listen(0, '127.0.0.1')
    await once(this.listener, 'listening')
    this.url = `ws://127.0.0.1:${this.listener.address().port}`
  }

  sees (guest) {
    this.guests.push(guest)
  }

  /** From now on it leads to another node; who is connected loses the connection and has to come again. */
  leadTo (node) {
    this.node = node
    for (const socket of this.pairs) socket.destroy()
  }

  async text (name) {
    return await this.cluster.text(name, this.node)
  }

  end () {
    for (const guest of this.guests) guest.leave()
    for (const socket of this.pairs) socket.destroy()
    this.listener.close()
  }

  #carry (client) {
    const node = connect(this.cluster.nodes[this.node].port, '127.0.0.1')
    for (const [socket, other] of [[client, node], [node, client]]) {
      this.pairs.add(socket)
      socket.pipe(other)
      socket.on('error', () => other.destroy())
      socket.on('close', () => {
        this.pairs.delete(socket)
        other.destroy()
      })
    }
  }
}
