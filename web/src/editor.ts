/**
 * The editor itself: CodeMirror bound to a shared text by y-codemirror.next, which also gives each writer an undo of their
 * own. It lives in a shadow root because there CodeMirror adds its styles as constructed sheets, which a strict content
 * security policy allows; in the document it would write `<style>` elements, which the policy refuses.
 */
import { defaultKeymap } from '@codemirror/commands'
import { Compartment, EditorState, type Extension } from '@codemirror/state'
import { drawSelection, dropCursor, EditorView, highlightSpecialChars, keymap, placeholder } from '@codemirror/view'
import { yCollab, yUndoManagerKeymap } from 'y-codemirror.next'
import type { WebsocketProvider } from 'y-websocket'
import type * as Y from 'yjs'
import { remoteCursors } from './cursors.ts'

const writing = new Compartment()

/** Lets somebody write, or only read and copy. */
export function allowWriting(editor: EditorView, may: boolean): void {
  editor.dispatch({ effects: writing.reconfigure(mayWrite(may)) })
  if (may) editor.focus()
}

function mayWrite(may: boolean): Extension {
  const hint = may ? placeholder('Start writing …') : []
  return [EditorState.readOnly.of(!may), EditorView.editable.of(may), hint]
}

/** Nobody may write before it is known what they may. */
export function mountEditor(host: HTMLElement, text: Y.Text, awareness: WebsocketProvider['awareness']): EditorView {
  const root = host.attachShadow({ mode: 'open' })
  return new EditorView({ root, parent: root, state: startState(text, awareness) })
}

function startState(text: Y.Text, awareness: WebsocketProvider['awareness']): EditorState {
  return EditorState.create({
    doc: text.toString(),
    extensions: [
      keymap.of([...yUndoManagerKeymap, ...defaultKeymap]),
      highlightSpecialChars(),
      drawSelection(),
      dropCursor(),
      EditorView.lineWrapping,
      EditorView.contentAttributes.of({ 'aria-label': 'Text of the document', spellcheck: 'true', tabindex: '0' }),
      writing.of(mayWrite(false)),
      yCollab(text, null),
      remoteCursors(text, awareness),
      pageTheme,
    ],
  })
}

/** Custom properties reach into the shadow root, so light and dark are decided by the page's style sheet alone. */
const pageTheme = EditorView.theme({
  '&': { height: '100%', color: 'var(--ink)', backgroundColor: 'transparent' },
  '&.cm-focused': { outline: 'none' },
  '.cm-scroller': { fontFamily: 'var(--serif)', fontSize: 'var(--reading-size)', lineHeight: '1.7', overflow: 'auto' },
  '.cm-content': {
    boxSizing: 'border-box',
    width: '100%',
    maxWidth: '44rem',
    margin: '0 auto',
    padding: 'clamp(2rem, 6vh, 4.5rem) clamp(1.1rem, 4vw, 2.5rem) 40vh',
    caretColor: 'var(--accent)',
  },
  '.cm-line': { padding: '0' },
  '.cm-cursor, .cm-dropCursor': { borderLeft: '2px solid var(--accent)', marginLeft: '-1px' },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground': {
    background: 'var(--selection)',
  },
  '.cm-placeholder': { color: 'var(--faint)', fontStyle: 'italic' },
})
