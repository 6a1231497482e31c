/** What the buttons above Quill do. */
import type Quill from 'quill/core.js'
import { bindToolbar, type Tool } from './toolbar.ts'

export function bindQuillTools(quill: Quill): void {
  const toggled = (format: string, value: unknown): Tool => {
    const isOn = () => formatsAt(quill)[format] === value
    return { isOn, run: () => (quill.focus(), quill.format(format, isOn() ? false : value, 'user')) }
  }
  const tools = {
    bold: toggled('bold', true),
    italic: toggled('italic', true),
    heading: toggled('header', 2),
    list: toggled('list', 'bullet'),
    numbers: toggled('list', 'ordered'),
    checks: { ...toggled('list', 'unchecked'), isOn: () => ['checked', 'unchecked'].includes(String(formatsAt(quill)['list'])) },
    quote: toggled('blockquote', true),
    undo: { run: () => quill.history.undo() },
    redo: { run: () => quill.history.redo() },
  }
  quill.on('editor-change', bindToolbar(tools, () => quill.isEnabled()))
}

/** Asked without taking the focus, which Quill would do if it were not told where. */
function formatsAt(quill: Quill): Record<string, unknown> {
  const range = quill.getSelection()
  return range === null ? {} : quill.getFormat(range)
}
