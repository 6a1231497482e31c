// Where a server of the tests listens.
import { once } from 'node:events'
import { createServer } from 'node:net'

/** A port that nothing listens on, below those that the kernel gives to outgoing connections: it is free at a restart too. */
export async function freePort () {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 10_000)
    const probe = createServer()
    const free = await new Promise(resolve => {
      probe.once('error', () => resolve(false))
      probe.listen(port, '127.0.0.1', () => resolve(true))
    })
    if (!free) continue
    probe.close()
    await once(probe, 'close')
    return port
  }
}
