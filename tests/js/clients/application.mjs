// An application that lets everybody into one document, and a server that asks it.
import { once } from 'node:events'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startServer } from './server.mjs'

/** Gives the server, and the documents that it has asked about. */
export async function startApplication (t, open) {
  const asked = []
  const application = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    const { document } = JSON.parse(body)
    asked.push(document)
    const may = document === open ? { may: ['read', 'write'] } : { denied: 'not yours' }
    response.end(JSON.stringify(may))
  }).listen(0, '127.0.0.1')
  t.after(() => application.close())
  await once(application, 'listening')
  const secret = join(await mkdtemp(join(tmpdir(), 'quire-hook-')), 'secret')
  await writeFile(secret, 'a secret of the tests')
  const server = await startServer(t, {
    env: {
      QUIRE_HOOK__URL: `http://127.0.0.1:${application.address().port}/`,
      QUIRE_HOOK__SECRET_FILE: secret,
      QUIRE_HOOK__AUTHENTICATE: 'true'
    }
  })
  return { server, asked }
}
