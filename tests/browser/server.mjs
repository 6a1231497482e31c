/**
 * A real server for the tests to talk to: the binary that `QUIRE_BIN` names (by default the release build of this
 * checkout), on a free loopback port, with a data folder of its own that is removed at the end. With `QUIRE_URL` set, the
 * tests use the server that already runs there, and leave out what needs it stopped.
 */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { freePort } from '../port.mjs'
import { until } from './until.mjs'

const BINARY = process.env.QUIRE_BIN ?? fileURLToPath(new URL('../../target/release/quire', import.meta.url))

/**
 * `settings`: environment variables of the server; `prepare`: what is done with its data folder before it starts. With
 * either, it is always one of our own.
 */
export async function startServer(settings = {}, prepare = null) {
  const plain = Object.keys(settings).length === 0 && prepare === null
  if (plain && process.env.QUIRE_URL !== undefined) return { url: process.env.QUIRE_URL.replace(/\/$/, ''), ours: false, async remove() {} }
  const folder = await mkdtemp(join(tmpdir(), 'quire-browser-'))
  await prepare?.(folder)
  const server = new OwnServer(await freePort(), folder, settings)
  await server.start().catch(async (error) => {
    await server.remove()
    throw error
  })
  return server
}

/** What a command prints that works on a data folder. */
export async function quire(folder, ...words) {
  const { stdout } = await promisify(execFile)(BINARY, [...words, '--data-dir', folder])
  return stdout.trim()
}

class OwnServer {
  ours = true

  constructor(port, folder, settings) {
    this.settings = settings
    this.port = port
    this.folder = folder
    this.url = `http://127.0.0.1:${port}`
  }

  async start() {
    this.said = ''
    this.process = spawn(BINARY, ['serve', '--listen', `127.0.0.1:${this.port}`, '--data-dir', this.folder], { env: { ...process.env, ...this.settings }, stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [this.process.stdout, this.process.stderr]) stream.on('data', (chunk) => (this.said += chunk))
    this.ended = once(this.process, 'exit')
    await until(() => this.#ready(), 'the server is ready')
  }

  async stop(signal = 'SIGTERM') {
    this.process.kill(signal)
    await this.ended
  }

  async remove() {
    if (this.process.exitCode === null && this.process.signalCode === null) await this.stop()
    await rm(this.folder, { recursive: true })
  }

  async #ready() {
    if (this.process.exitCode !== null) throw new Error(`the server ended by itself and said:\n${this.said}`)
    const answer = await fetch(`${this.url}/readyz`).catch(() => null)
    return answer?.ok
  }
}
