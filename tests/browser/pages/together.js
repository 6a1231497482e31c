/**
 * Somebody in a document, with the provider and nothing else: who they are and where, the page is told in its address. It
 * keeps all that the provider said of what is not stored yet.
 */
import { HocuspocusProvider } from '@hocuspocus/provider'
import * as Y from 'yjs'

const told = new URLSearchParams(location.search)
const document = new Y.Doc()
const text = document.getText('text')
const counts = []

const provider = new HocuspocusProvider({
  url: told.get('server'),
  name: told.get('document'),
  document,
  delay: 100,
  minDelay: 50,
  maxDelay: 400,
})
provider.on('unsyncedChanges', () => counts.push(provider.unsyncedChanges))
provider.setAwarenessField('user', { name: told.get('name') })

export const write = (words) => text.insert(text.length, words)
export const read = () => text.toString()
export const isSaved = () => provider.synced && !provider.hasUnsyncedChanges

/** The counts since it was last asked for. */
export const takeCounts = () => counts.splice(0)

/** The names of all that are here, this one's too. */
export const names = () => [...provider.awareness.getStates().values()].map(({ user }) => user?.name).sort().join()
