/**
 * The editor itself: CodeMirror, to be bound to a shared text. It lives in a shadow root because there CodeMirror adds its styles as constructed sheets, which a strict content
 * security policy allows; in the document it would write `<style>` elements, which the policy refuses.
 */
import { defaultKeymap } from '@codemirror/commands'
import { Compartment, EditorState, type Extension } from '@codemirror/state'
import { drawSelection, dropCursor, EditorView, highlightSpecialChars, keymap, placeholder } from '@codemirror/view'

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

/** `shared`: what binds the text, with its keys for undoing. Nobody may write before it is known what they may. */
export function mountEditor(host: HTMLElement, text: string, shared: Extension): EditorView {
  const root = host.attachShadow({ mode: 'open' })
  return new EditorView({ root, parent: root, state: startState(text, shared) })
}

function startState(text: string, shared: Extension): EditorState {
  return EditorState.create({
    doc: text,
    extensions: [
      shared,
      keymap.of(defaultKeymap),
      highlightSpecialChars(),
      drawSelection(),
      dropCursor(),
      EditorView.lineWrapping,
      EditorView.contentAttributes.of({ 'aria-label': 'Text of the document', spellcheck: 'true', tabindex: '0' }),
      writing.of(mayWrite(false)),
      pageTheme,
    ],
  })
}

/** The editor is the whole sheet, and its text a column in the middle. */
export const wholeSheet = EditorView.theme({
  '&': { height: '100%' },
  '.cm-content': { maxWidth: '44rem', margin: '0 auto', padding: 'clamp(2rem, 6vh, 4.5rem) clamp(1.1rem, 4vw, 2.5rem) 40vh' },
})

/** Custom properties reach into the shadow root, so light and dark are decided by the page's style sheet alone. */
const pageTheme = EditorView.theme({
  '&': { color: 'var(--ink)', backgroundColor: 'transparent' },
  '&.cm-focused': { outline: 'none' },
  '.cm-scroller': { fontFamily: 'var(--serif)', fontSize: 'var(--reading-size)', lineHeight: '1.7', overflow: 'auto' },
  '.cm-content': { boxSizing: 'border-box', width: '100%', caretColor: 'var(--accent)' },
  '.cm-line': { padding: '0' },
  '.cm-cursor, .cm-dropCursor': { borderLeft: '2px solid var(--accent)', marginLeft: '-1px' },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground': {
    background: 'var(--selection)',
  },
  '.cm-placeholder': { color: 'var(--faint)', fontStyle: 'italic' },
})
