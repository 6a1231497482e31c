// A real server process for one test: the binary that QUIRE_BIN names (by default the release build of this checkout), on
// a free loopback port, with a data folder of its own. The test may kill it, stop it, and start it again.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from '../../port.mjs'
import { until } from './until.mjs'

export const BINARY = process.env.QUIRE_BIN ?? fileURLToPath(new URL('../../../target/release/quire', import.meta.url))

/** Starts a server that is removed, with its data, when the test ends. Its folder may be given, and so may further settings. */
export async function startServer (test, { folder, settings = [], env = {} } = {}) {
  const server = new Server(await freePort(), folder ?? await mkdtemp(join(tmpdir(), 'quire-clients-')), settings, env)
  test.after(() => server.remove())
  await server.start()
  return server
}

class Server {
  constructor (port, folder, settings, env) {
    this.folder = folder
    this.settings = settings
    this.env = { ...process.env, ...env }
    this.listen = `127.0.0.1:${port}`
    this.url = `ws://${this.listen}`
    this.said = ''
    this.guests = []
  }

  /** Has somebody leave before the server goes: some clients would never stop looking for it. */
  sees (guest) {
    this.guests.push(guest)
  }

  async start () {
    const settings = ['serve', '--listen', this.listen, '--data-dir', this.folder, ...this.settings]
    this.process = spawn(BINARY, settings, { env: this.env, stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [this.process.stdout, this.process.stderr]) stream.on('data', chunk => { this.said += chunk })
    this.ended = once(this.process, 'exit')
    await until('the server is ready', () => this.#ready())
  }

  /** Ends the process with a signal: SIGKILL is a crash, SIGTERM asks it to stop. */
  async end (signal) {
    this.process.kill(signal)
    await this.ended
  }

  async remove () {
    for (const guest of this.guests) guest.leave()
    if (this.process.exitCode === null && this.process.signalCode === null) await this.end('SIGKILL')
    await rm(this.folder, { recursive: true, force: true })
  }

  /** What the API answers under the path of a document of the default workspace. */
  async document (name, rest = '', options = {}) {
    const path = `/api/v1/workspaces/default/documents/${encodeURIComponent(name)}${rest}`
    return await fetch(`http://${this.listen}${path}`, options)
  }

  /** A document's text as the API gives it, or nothing if there is no such document. */
  async text (name) {
    const answer = await this.document(name, '/content?format=text&field=text')
    return answer.ok ? await answer.text() : null
  }

  async #ready () {
    if (this.process.exitCode !== null) throw new Error(`the server ended by itself and said:\n${this.said}`)
    const answer = await fetch(`http://${this.listen}/readyz`).catch(() => null)
    return answer?.ok
  }
}
