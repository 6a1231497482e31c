// Who may do what, as the unmodified providers meet it: refused and let in on one socket, tokens that end while somebody
// types, rights that are taken away.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allOpen, allSaved, open, openSocket, VERSIONS } from './editors.mjs'
import { startIssuer } from './issuer.mjs'
import { startServer } from './server.mjs'
import { until } from './until.mjs'

const WRITER = ['read', 'write', 'presence']
const READER = ['read', 'presence']

async function guarded (t) {
  const issuer = await startIssuer(t)
  const server = await startServer(t, { env: issuer.env })
  const headers = { authorization: `Bearer ${issuer.token('operator', ['read', 'admin'], { workspace: '*' })}`, 'content-type': 'application/json' }
  const text = async name => await (await server.document(name, '/content?format=text&field=text', { headers })).text()
  return { issuer, server, headers, text }
}

for (const version of VERSIONS) {
  test(`version ${version}: a bad token is refused with a reason, and a good one is taken`, async t => {
    const { issuer, server, text } = await guarded(t)
    for (const bad of ['', 'nonsense', issuer.token('ann', WRITER, { seconds: -60 }), issuer.token('ann', WRITER, { document: 'other' })]) {
      const refused = open(server, 'door', { version, token: bad })
      await until('it is refused', () => refused.heard.refusals.length > 0)
      assert.ok(refused.heard.refusals[0].length > 0)
      assert.deepEqual(refused.heard.scopes, [])
      refused.leave()
    }
    const ann = open(server, 'door', { version, token: issuer.token('ann', WRITER) })
    ann.append('let in')
    await allSaved([ann])
    assert.equal(await text('door'), 'let in')
  })

  test(`version ${version}: who may only read is told so, is shown, and what they write goes nowhere`, async t => {
    const { issuer, server, text } = await guarded(t)
    const ann = open(server, 'shown', { version, token: issuer.token('ann', WRITER) })
    const ben = open(server, 'shown', { version, token: issuer.token('ben', READER) })
    await allOpen([ann, ben])
    assert.deepEqual([ann.heard.scopes, ben.heard.scopes], [['read-write'], ['readonly']])
    ben.awareness.setLocalState({ name: 'ben' })
    await until('ben is seen', () => ann.others()[0]?.[1].name === 'ben')
    ben.append('not for you')
    ann.append('for all')
    await until('ben reads', () => ben.text.toString().includes('for all'))
    await allSaved([ann])
    ann.append('!')
    await allSaved([ann])
    assert.equal(await text('shown'), 'for all!')
    assert.ok(ben.provider.hasUnsyncedChanges, 'ben is not told that it is stored')
    assert.deepEqual(ben.on.closes, [])
  })
}

for (const version of [3, 4]) {
  test(`version ${version}: a bad token, then a good one on the same socket, beside another document`, async t => {
    const { issuer, server, text } = await guarded(t)
    const on = openSocket(server, { version })
    const other = open(server, 'other', { on, token: issuer.token('ann', WRITER) })
    let token = 'nonsense'
    const first = open(server, 'door', { on, token: () => token })
    await until('it is refused', () => first.heard.refusals.length > 0)
    token = issuer.token('ann', WRITER)
    first.provider.detach()
    first.provider.attach()
    await allOpen([first, other])
    first.append('in the end')
    other.append('all along')
    await allSaved([first, other])
    assert.deepEqual([await text('door'), await text('other')], ['in the end', 'all along'])
    assert.deepEqual(on.closes, [])
  })
}

test('a token that ends while somebody types is renewed on the open socket', async t => {
  const { issuer, server, text } = await guarded(t)
  let asked = 0
  const token = () => { asked += 1; return issuer.token('ann', WRITER, { seconds: 4 }) }
  const ann = open(server, 'long', { token })
  await allOpen([ann])
  const typing = setInterval(() => ann.append('x'), 20)
  t.after(() => clearInterval(typing))
  await until('several tokens have ended', () => asked >= 5)
  clearInterval(typing)
  await allSaved([ann])
  assert.equal(await text('long'), ann.text.toString())
  assert.deepEqual([ann.on.closes, ann.heard.closes, ann.heard.refusals], [[], [], []])
})

test('a token that ends and is not renewed ends the session, and what was said to be stored stays', async t => {
  const { issuer, server, text } = await guarded(t)
  const ann = open(server, 'short', { token: issuer.token('ann', WRITER, { seconds: 3 }) })
  const ben = open(server, 'short', { token: issuer.token('ben', WRITER) })
  await allOpen([ann, ben])
  ann.append('in time')
  await allSaved([ann])
  await until('it has ended', () => ann.heard.refusals.length + ann.heard.closes.length > 0)
  ann.append(', too late')
  ben.append('!')
  await allSaved([ben])
  assert.equal(await text('short'), 'in time!')
  assert.ok(ann.provider.hasUnsyncedChanges, 'ann is not told that it is stored')
})

test('who may only read from now on is told so while typing, and goes on reading', async t => {
  const { issuer, server, text } = await guarded(t)
  let may = WRITER
  const ann = open(server, 'down', { token: () => issuer.token('ann', may, { seconds: 4 }) })
  const ben = open(server, 'down', { token: issuer.token('ben', WRITER) })
  await allOpen([ann, ben])
  ann.append('as a writer')
  await allSaved([ann])
  may = READER
  const typing = setInterval(() => ann.append('.'), 20)
  t.after(() => clearInterval(typing))
  await until('ann is told', () => ann.heard.scopes.at(-1) === 'readonly')
  ann.append('as a reader')
  clearInterval(typing)
  ben.append('!')
  await until('ann goes on reading', () => ann.text.toString().includes('!'))
  await allSaved([ben])
  assert.match(await text('down'), /^as a writer\.*!$/)
  assert.ok(ann.provider.hasUnsyncedChanges, 'ann is not told that it is stored')
  assert.deepEqual([ann.on.closes, ann.heard.closes], [[], []])
})

test('whoever is revoked is out within moments, and others stay', async t => {
  const { issuer, server, headers, text } = await guarded(t)
  // A second of its own, so that the revocation is later than the token in whole seconds as well.
  const on = openSocket(server)
  const ann = open(server, 'revoked', { on, token: issuer.token('ann', WRITER, { iat: Math.floor(Date.now() / 1000) - 2 }) })
  const ben = open(server, 'revoked', { token: issuer.token('ben', WRITER) })
  await allOpen([ann, ben])
  ann.append('before')
  await allSaved([ann])
  const answer = await fetch(`http://${server.listen}/api/v1/revocations`, { method: 'POST', headers, body: JSON.stringify({ user: 'ann' }) })
  assert.equal(answer.status, 201, await answer.text())
  await until('ann is out', () => ann.heard.refusals.length + ann.heard.closes.length > 0)
  ann.append(', after')
  ben.append('!')
  await allSaved([ben])
  assert.equal(await text('revoked'), 'before!')
  assert.ok(ann.provider.hasUnsyncedChanges, 'ann is not told that it is stored')
  const again = open(server, 'revoked', { token: issuer.token('ann', WRITER, { iat: Math.floor(Date.now() / 1000) - 2 }) })
  await until('she is not let in again', () => again.heard.refusals.length > 0)
})
