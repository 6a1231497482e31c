// What a provider counts as not stored: up until the commit, down after it, and then nothing of it can be lost.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join as path } from 'node:path'
import { test } from 'node:test'
import { allOpen, allSaved, open, VERSIONS } from './editors.mjs'
import { allSynced, converged, join } from './people.mjs'
import { startServer } from './server.mjs'
import { until } from './until.mjs'

for (const version of VERSIONS) {
  test(`what version ${version} no longer counts is still there after a kill`, async t => {
    const server = await startServer(t)
    const ann = open(server, 'kept', { version })
    let written = ''
    for (const round of [0, 1, 2]) {
      await allSaved([ann])
      for (const key of [0, 1, 2, 3]) {
        written += `${round}.${key};`
        ann.append(`${round}.${key};`)
      }
      assert.ok(ann.provider.hasUnsyncedChanges, 'what was just typed is not stored')
      await down(ann)
      await server.end('SIGKILL')
      // Nobody may give back what the server has lost.
      ann.on.socket.disconnect()
      await server.start()
      assert.equal(await server.text('kept'), written)
      ann.on.socket.connect()
    }
  })
}

// Version 2 takes what it wrote offline off its count twice, so that the count says nothing afterwards.
for (const version of [3, 4]) {
  test(`what is written while version ${version} is offline is counted until it is stored`, async t => {
    const server = await startServer(t)
    const ann = open(server, 'offline', { version })
    ann.append('before;')
    await allSaved([ann])
    await server.end('SIGKILL')
    await until('ann notices', () => !ann.provider.synced)
    ann.append('alone;')
    assert.ok(ann.provider.hasUnsyncedChanges)
    await server.start()
    await allSaved([ann])
    await until('it is stored', async () => await server.text('offline') === 'before;alone;')
    ann.append('again;')
    await allSaved([ann])
    assert.equal(await server.text('offline'), 'before;alone;again;')
  })
}

// A provider counts one when it connects, and then sends each edit that was written offline, and all of them together.
for (const version of [3, 4]) {
  test(`much that was written while version ${version} was offline is all there when the count is zero`, async t => {
    const server = await startServer(t)
    const ann = open(server, 'much', { version })
    await allSaved([ann])
    await server.end('SIGKILL')
    await until('ann notices', () => !ann.provider.synced)
    for (let key = 0; key < 200; key++) ann.append(`${key};`)
    await server.start()
    await down(ann)
    await server.end('SIGKILL')
    // Nobody may give back what the server has lost.
    ann.leave()
    ann.on.leave()
    await server.start()
    assert.equal(await server.text('much'), ann.text.toString())
  })
}

test('nothing is called stored while the disk is full, and nothing is lost when there is space again', async t => {
  const disk = smallDisk(t)
  if (disk === null) return t.skip('a small disk cannot be mounted here')
  const server = await startServer(t, { folder: disk.folder })
  const [ann, ben] = [open(server, 'full'), join(t, server, 'full')]
  await allSynced([ben])
  ann.append('before;')
  await allSaved([ann])
  disk.fill()
  await until('the store fails', async () => {
    ann.append('x'.repeat(4096))
    return (await fetch(`http://${server.listen}/readyz`)).status === 503
  })
  const stuck = ann.provider.unsyncedChanges
  ann.append('after;')
  await until('others see it all the same', () => ben.text.toString() === ann.text.toString())
  assert.ok(ann.provider.unsyncedChanges > stuck, 'it is counted as not stored')
  disk.free()
  await allSaved([ann])
  await server.end('SIGKILL')
  ann.on.socket.disconnect()
  ben.provider.disconnect()
  await server.start()
  assert.equal(await server.text('full'), ann.text.toString())
})

test('whatever happens, the count returns to zero', async t => {
  const seed = Number(process.env.QUIRE_SEED ?? Math.floor(Math.random() * 2 ** 32))
  t.diagnostic(`QUIRE_SEED=${seed}`)
  const chance = random(seed)
  const server = await startServer(t)
  const editors = VERSIONS.flatMap(version => [1, 2].map(() => open(server, 'random', { version })))
  await allOpen(editors)
  for (let step = 0; step < 120; step++) await happen(server, editors[chance(editors.length)], chance)
  server.process.kill('SIGCONT')
  // Whoever connects while the last connection is closing is not heard by the provider, and has to say so again.
  await until('everybody is back', () => editors.every(({ on: { socket } }) => {
    if (!socket.shouldConnect) socket.connect()
    return socket.shouldConnect
  }))
  await allSaved(editors).catch(error => {
    throw new Error(`seed ${seed}: ${error.message}: ${editors.map(editor => editor.provider.unsyncedChanges)}`)
  })
  assert.equal((await converged(server, 'random', editors)).length, editors[0].text.length)
  for (const { provider, on } of editors) assert.ok(provider.unsyncedChanges === 0 || on.version === 2)
})

/** Waits until the provider counts nothing, and resolves at that very moment. */
function down (editor) {
  return new Promise(resolve => {
    const look = () => { if (editor.isSaved) resolve() }
    editor.provider.on('unsyncedChanges', look)
    look()
  })
}

/** One thing that people, networks and machines do. */
async function happen (server, editor, chance) {
  switch (chance(12)) {
    case 0: return editor.on.socket.disconnect()
    case 1: return void editor.on.socket.connect()
    case 2: return editor.on.socket.webSocket?.terminate?.()
    case 3: return void server.process.kill('SIGSTOP')
    case 4: return void server.process.kill('SIGCONT')
    case 5: return await new Promise(resolve => setTimeout(resolve, chance(60)))
    case 6: return editor.text.length > 0 ? editor.text.delete(chance(editor.text.length), 1) : undefined
    case 7: return editor.awareness.setLocalState({ at: chance(1000) })
    case 8: return editor.provider.forceSync()
    default: return editor.text.insert(chance(editor.text.length + 1), `${chance(10)}`)
  }
}

/** Numbers below a bound, the same for the same seed (the generator mulberry32). */
function random (seed) {
  let state = seed >>> 0
  return bound => {
    state = (state + 0x6D2B79F5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound
  }
}

/** A disk of a few megabytes, in memory, that the test can fill; nothing if this machine has none to give. */
function smallDisk (t) {
  const outside = mkdtempSync(path(tmpdir(), 'quire-disk-'))
  const folder = path(outside, 'disk')
  mkdirSync(folder)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'quire-test', folder], { stdio: 'ignore' })
  } catch {
    rmSync(outside, { recursive: true })
    return null
  }
  t.after(() => {
    execFileSync('umount', ['--lazy', folder])
    rmSync(outside, { recursive: true })
  })
  const filler = path(folder, 'filler')
  return {
    folder: path(folder, 'data'),
    fill () { assert.throws(() => writeFileSync(filler, Buffer.alloc(64 << 20)), { code: 'ENOSPC' }) },
    free () { rmSync(filler) }
  }
}
