/** A text of Yjs in CodeMirror: bound by y-codemirror.next, which also gives each writer an undo of their own. */
import type { Extension } from '@codemirror/state'
import { keymap } from '@codemirror/view'
import { yCollab, yUndoManagerKeymap } from 'y-codemirror.next'
import type { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'
import { remoteCursors, type Anchors } from './cursors.ts'

export function yjsText(text: Y.Text, awareness: WebsocketProvider['awareness']): Extension {
  return [keymap.of(yUndoManagerKeymap), yCollab(text, null), remoteCursors(anchorsIn(text), awareness)]
}

function anchorsIn(text: Y.Text): Anchors {
  return {
    anchorAt: (index) => Y.createRelativePositionFromTypeIndex(text, index),
    indexOf: (anchor) => {
      try {
        const place = Y.createAbsolutePositionFromRelativePosition(Y.createRelativePositionFromJSON(anchor), text.doc!)
        return place?.type === text ? place.index : null
      } catch {
        return null
      }
    },
    areSame: (known, anchor) => Y.compareRelativePositions(Y.createRelativePositionFromJSON(known), anchor as Y.RelativePosition),
  }
}
