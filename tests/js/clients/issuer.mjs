// Whoever issues tokens: keys of its own, published as a JWKS on a loopback port, and what it writes into tokens.
import { generateKeyPairSync, sign } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'

/** An issuer that lasts as long as the test. */
export async function startIssuer (test) {
  const issuer = new Issuer()
  issuer.server.listen(0, '127.0.0.1')
  await once(issuer.server, 'listening')
  test.after(() => {
    issuer.server.closeAllConnections()
    issuer.server.close()
  })
  return issuer
}

class Issuer {
  constructor () {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519')
    this.key = privateKey
    const keys = [{ ...publicKey.export({ format: 'jwk' }), kid: 'one', alg: 'EdDSA', use: 'sig' }]
    this.server = createServer((_, response) => {
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ keys }))
    })
  }

  /** What tells a server to trust these tokens. */
  get env () {
    return { QUIRE_AUTH__JWKS_URL: `http://127.0.0.1:${this.server.address().port}/jwks.json` }
  }

  /** A token for somebody who may do something with documents, for so many seconds. */
  token (sub, may, { seconds = 600, workspace = 'default', document = '*', ...claims } = {}) {
    const now = Math.floor(Date.now() / 1000)
    const payload = { sub, iat: now, exp: now + seconds, quire: { may, workspace, document }, ...claims }
    const body = [{ alg: 'EdDSA', typ: 'JWT', kid: 'one' }, payload].map(encode).join('.')
    return `${body}.${sign(null, Buffer.from(body), this.key).toString('base64url')}`
  }
}

function encode (part) {
  return Buffer.from(JSON.stringify(part)).toString('base64url')
}
