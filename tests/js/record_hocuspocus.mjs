// Records what unmodified Hocuspocus providers of three major versions put on the wire, as golden frames of
// protocol/tests/golden. Everything in it is fixed, so a second run writes the same bytes.
//
//   node record_hocuspocus.mjs           writes the files
//   node record_hocuspocus.mjs --check   fails if they differ from what the installed providers do
//
// The lines are those of record_golden.mjs: `>` a frame of the client, `<` a frame of the server, `=` bytes that a frame
// is made of. All values are hexadecimal. The provider does what it does by itself (joining, answering); the rest is done
// to it one step at a time, so the order of the frames is fixed too.
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import * as current from '@hocuspocus/provider'
import * as three from 'hocuspocus-provider-3'
import * as two from 'hocuspocus-provider-2'
import { WebSocket, WebSocketServer } from 'ws'
import * as Y from 'yjs'

const ADA = 1
const NAME = 'stories/é x'

const directory = new URL('../../protocol/tests/golden/', import.meta.url)
const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
await once(server, 'listening')
const url = `ws://127.0.0.1:${server.address().port}`

// A server's frame: the address, then these numbers and texts.
function frame (...parts) {
  const bytes = [...text(NAME)]
  for (const part of parts) bytes.push(...(typeof part === 'number' ? [part] : text(part)))
  return Uint8Array.from(bytes)
}

function text (string) {
  const bytes = new TextEncoder().encode(string)
  return [bytes.length, ...bytes]
}

class Conversation {
  constructor (about) {
    this.lines = [`# ${about}`]
    this.frames = []
    this.arrived = () => {}
  }

  listen (socket) {
    this.socket = socket
    socket.binaryType = 'nodebuffer'
    socket.on('message', data => { this.frames.push(data); this.arrived() })
  }

  async from (label) {
    while (this.frames.length === 0) await new Promise(resolve => { this.arrived = resolve })
    this.note('>', label, this.frames.shift())
  }

  to (label, bytes) {
    this.note('<', label, bytes)
    this.socket.send(bytes)
  }

  note (mark, label, bytes) {
    this.lines.push(`${mark} ${label} ${Buffer.from(bytes).toString('hex')}`)
  }
}

async function record (version, { HocuspocusProvider, HocuspocusProviderWebsocket }) {
  const conversation = new Conversation(`A provider of version ${version} joins, edits, shows itself, talks and leaves.`)
  const connection = once(server, 'connection')
  const websocketProvider = new HocuspocusProviderWebsocket({ url, WebSocketPolyfill: WebSocket })
  const document = new Y.Doc()
  document.clientID = ADA
  document.getText('text').insert(0, 'offline')
  const provider = new HocuspocusProvider({ websocketProvider, name: NAME, document, token: 'T' })
  provider.attach?.()
  conversation.listen((await connection)[0])
  await conversation.from('token')
  await conversation.from('step1')
  await conversation.from('awareness-own')
  conversation.to('granted', frame(2, 2, 'read-write'))
  conversation.to('server-step1', frame(0, 0, '\0'))
  await conversation.from('step2')
  conversation.to('server-step2', frame(0, 1, '\0\0'))
  const saved = new Promise(resolve => provider.on('unsyncedChanges', counted => { if (count(counted) === 0) resolve() }))
  conversation.to('stored', frame(8, 1))
  await saved

  const update = new Promise(resolve => document.once('update', resolve))
  document.getText('text').insert(0, 'Hi ')
  conversation.note('=', 'update-bytes', await update)
  await conversation.from('update')
  provider.awareness.setLocalState({ name: 'Ada ✎' })
  await conversation.from('state')
  provider.awareness.setLocalState(null)
  await conversation.from('goodbye')
  provider.sendStateless('a word é')
  await conversation.from('stateless')
  if (version >= 4) {
    conversation.to('ping', Uint8Array.of(9))
    await conversation.from('pong')
    conversation.to('send-token', frame(2, 0))
    await conversation.from('token-again')
  }
  provider.destroy()
  await conversation.from('leaves')
  // Providers of version 2 say goodbye to others only when they have left.
  if (version === 2) await conversation.from('goodbye-after-leaving')
  websocketProvider.destroy()
  document.destroy()
  return conversation.lines.join('\n') + '\n'
}

// Version 2 hands out the number itself, later ones an event that holds it.
const count = counted => typeof counted === 'number' ? counted : counted.number

for (const [version, provider] of [[2, two], [3, three], [4, current]]) {
  const file = new URL(`hocuspocus-${version}.txt`, directory)
  const lines = await record(version, provider)
  if (!process.argv.includes('--check')) await writeFile(file, lines)
  else if (await readFile(file, 'utf8') !== lines) {
    console.error(`${file.pathname} differs from what the provider does`)
    process.exitCode = 1
  }
}
server.close()
