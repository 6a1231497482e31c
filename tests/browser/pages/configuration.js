/**
 * As provider/configuration of Hocuspocus' documentation has it: settings of a socket, and of two providers for one document
 * on it, who are two people there.
 */
import { HocuspocusProvider, HocuspocusProviderWebsocket } from '@hocuspocus/provider'
import { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'

const websocketProvider = new HocuspocusProviderWebsocket({
  url: 'ws://127.0.0.1:1234',
  autoConnect: true,
  delay: 500,
  initialDelay: 0,
  factor: 2,
  maxAttempts: 0,
  minDelay: 500,
  maxDelay: 10_000,
  jitter: true,
  timeout: 0,
  messageReconnectTimeout: 30_000,
})

/** Somebody with everything set that can be. */
function person(token) {
  const document = new Y.Doc()
  const settings = {
    websocketProvider,
    name: 'configured',
    document,
    token,
    awareness: new Awareness(document),
    forceSyncInterval: 2_000,
    sessionAwareness: true,
    flushDelay: 50,
  }
  const provider = new HocuspocusProvider(settings)
  provider.attach()
  return provider
}

export const one = person('a text')
export const other = person(async () => 'what a promise gives')
