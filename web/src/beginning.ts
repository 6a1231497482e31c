/**
 * How every board begins: with one change that is the same for all, to the byte. Two who begin a board at the same moment, or
 * apart from each other, have then made the same change, and not two boards that get in each other's way.
 */
import { change, init, save } from '@automerge/automerge/slim'

/** Nobody writes under this name but this one change. */
const ACTOR = '00'.repeat(16)

export function beginning(): Uint8Array {
  const board = change(init<Record<string, unknown>>({ actor: ACTOR }), { time: 0 }, (doc) => {
    doc['text'] = ''
    doc['columns'] = [{ id: 'todo', title: 'To do' }, { id: 'doing', title: 'Doing' }, { id: 'done', title: 'Done' }]
    doc['cards'] = {}
  })
  return save(board)
}
