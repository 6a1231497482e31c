/**
 * An application that decides who is let in, as `docs/hooks.md` describes it: it knows some people by their tokens, and
 * what they may. What it says can be changed at any time, and holds for whoever comes then.
 */
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export class Doorkeeper {
  /** Opens the door to the people of a table: token to what the application answers. */
  static async start(people) {
    const folder = await mkdtemp(join(tmpdir(), 'quire-door-'))
    await writeFile(join(folder, 'secret'), 'a secret of the tests, long enough', { mode: 0o600 })
    const keeper = new Doorkeeper(people, folder)
    keeper.server.listen(0, '127.0.0.1')
    await once(keeper.server, 'listening')
    return keeper
  }

  constructor(people, folder) {
    Object.assign(this, { people, folder })
    this.server = createServer((request, response) => void this.#answer(request, response))
  }

  /** The settings of a server that asks here. */
  get settings() {
    return {
      QUIRE_HOOK__URL: `http://127.0.0.1:${this.server.address().port}/`,
      QUIRE_HOOK__SECRET_FILE: join(this.folder, 'secret'),
      QUIRE_HOOK__AUTHENTICATE: 'true',
    }
  }

  async stop() {
    this.server.closeAllConnections()
    this.server.close()
    await rm(this.folder, { recursive: true })
  }

  async #answer(request, response) {
    let body = ''
    for await (const chunk of request) body += chunk
    const { token } = JSON.parse(body)
    response.end(JSON.stringify(this.people[token] ?? { denied: 'nobody knows you here' }))
  }
}
