/**
 * Presence as the editor's own code may see it. Any client may write any state, and Tiptap's carets take what they find for
 * what they expect: one malformed cursor would stop the editor of everybody else. What is no cursor is left out here, and
 * a user becomes the face that we show of them.
 */
import type { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'
import { faceOf } from './people.ts'

type States = ReturnType<Awareness['getStates']>

/** The same awareness, but for the states of others, which are as they should be. */
export function guarded(awareness: Awareness): Awareness {
  return new Proxy(awareness, {
    get: (target, key) => {
      if (key === 'getStates') return () => seemly(target)
      const value: unknown = Reflect.get(target, key)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

function seemly(awareness: Awareness): States {
  const states: States = new Map()
  for (const [client, state] of awareness.getStates()) {
    const { id, name, colour } = faceOf(state, client)
    const cursor: unknown = state?.['cursor']
    states.set(client, { ...state, user: { ...(id === null ? {} : { id }), name, color: colour }, cursor: isCursor(cursor, awareness.doc) ? cursor : null })
  }
  return states
}

function isCursor(cursor: unknown, doc: Y.Doc): boolean {
  try {
    const { anchor, head } = cursor as { anchor: unknown; head: unknown }
    for (const end of [anchor, head]) Y.createAbsolutePositionFromRelativePosition(Y.createRelativePositionFromJSON(end), doc)
    return true
  } catch {
    return false
  }
}
