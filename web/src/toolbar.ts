/** The buttons above rich text: each does one thing to what is selected, and shows whether it is so already. */
import type { Editor } from '@tiptap/core'
import { byId } from './dom.ts'

interface Tool {
  run(editor: Editor): void
  isOn?(editor: Editor): boolean
}

/** By the `data-tool` of its button in the page. */
const TOOLS: Record<string, Tool> = {
  bold: { run: (editor) => editor.chain().focus().toggleBold().run(), isOn: (editor) => editor.isActive('bold') },
  italic: { run: (editor) => editor.chain().focus().toggleItalic().run(), isOn: (editor) => editor.isActive('italic') },
  heading: {
    run: (editor) => editor.chain().focus().toggleHeading({ level: 2 }).run(),
    isOn: (editor) => editor.isActive('heading', { level: 2 }),
  },
  list: { run: (editor) => editor.chain().focus().toggleBulletList().run(), isOn: (editor) => editor.isActive('bulletList') },
  numbers: { run: (editor) => editor.chain().focus().toggleOrderedList().run(), isOn: (editor) => editor.isActive('orderedList') },
  quote: { run: (editor) => editor.chain().focus().toggleBlockquote().run(), isOn: (editor) => editor.isActive('blockquote') },
  undo: { run: (editor) => editor.chain().focus().undo().run() },
  redo: { run: (editor) => editor.chain().focus().redo().run() },
}

export function bindToolbar(editor: Editor): void {
  const buttons = [...byId('tools').querySelectorAll('button')]
  for (const button of buttons) button.addEventListener('click', () => toolOf(button).run(editor))
  const show = () => buttons.forEach((button) => showTool(button, editor))
  for (const event of ['transaction', 'update'] as const) editor.on(event, show)
  show()
}

function showTool(button: HTMLButtonElement, editor: Editor): void {
  const isOn = toolOf(button).isOn
  button.disabled = !editor.isEditable
  if (isOn !== undefined) button.setAttribute('aria-pressed', String(isOn(editor)))
}

function toolOf(button: HTMLButtonElement): Tool {
  return TOOLS[button.dataset['tool'] ?? '']!
}
