import { expect, test } from 'vitest'
import { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'
import { PALETTE } from './colours.ts'
import { guarded } from './strangers.ts'

const doc = new Y.Doc()
const awareness = new Awareness(doc)
const STRANGER = 12
const seen = (state: unknown) => {
  awareness.states.set(STRANGER, state as Record<string, unknown>)
  return guarded(awareness).getStates().get(STRANGER)!
}
awareness.destroy()

test.each([[5], ['x'], [null], [{}], [{ anchor: null, head: null }], [{ anchor: { tname: 'default' } }], [{ anchor: { type: 7 }, head: { type: { client: 'x' } } }]])(
  'a cursor that is %j is left out, or leads nowhere',
  (cursor) => {
    const state = seen({ cursor })
    if (state['cursor'] === null) return
    const ends = state['cursor'] as { anchor: unknown; head: unknown }
    for (const end of [ends.anchor, ends.head]) Y.createAbsolutePositionFromRelativePosition(Y.createRelativePositionFromJSON(end), doc)
  },
)

test.each([[null], ['x'], [7], [{ name: {}, color: 'url(x)' }]])('a user that is %j has a name and a colour', (user) => {
  expect(seen({ user })['user']).toEqual({ name: 'Anonymous', color: PALETTE[2] })
})

test('what is as it should be stays', () => {
  const end = Y.relativePositionToJSON(Y.createRelativePositionFromTypeIndex(doc.getXmlFragment('default'), 0))
  const state = { user: { id: 'a', name: 'Ada', color: '#112233' }, cursor: { anchor: end, head: end }, more: 1 }
  expect(seen(state)).toEqual(state)
})

test('all else goes to the awareness itself', () => {
  const through = guarded(awareness)
  through.setLocalState({ here: true })
  through.setLocalStateField('user', 'me')
  expect(awareness.getLocalState()).toEqual({ here: true, user: 'me' })
  expect(through.clientID).toBe(doc.clientID)
})
