// A stock client that writes into a document together with somebody else:
//
//     node automerge_partner.mjs SERVER DOCUMENT OWN THEIRS
//
// It adds its own words to the text, waits until theirs are there and the server has stored all, and prints what it has then.
import * as Automerge from '@automerge/automerge'
import { Repo } from '@automerge/automerge-repo'
import { WebSocketClientAdapter } from '@automerge/automerge-repo-network-websocket'
import { until } from './clients/until.mjs'

const [server, document, own, theirs] = process.argv.slice(2)
const repo = new Repo({ network: [new WebSocketClientAdapter(server)] })
const handle = await repo.find(document)
handle.change(doc => { Automerge.splice(doc, ['text'], doc.text.length, 0, own) })
await until('their words are there', () => handle.doc().text.includes(theirs))

const heads = () => Automerge.getHeads(handle.doc()).toSorted()
const storageId = () => Object.values(repo.peerMetadataByPeerId).map(peer => peer.storageId).find(Boolean)
const stored = () => handle.getSyncInfo(storageId())?.lastHeads ?? []
await until('all is stored', () => String(stored().toSorted()) === String(handle.heads().toSorted()))
console.log(JSON.stringify({ text: handle.doc().text, heads: heads() }))
process.exit(0)
