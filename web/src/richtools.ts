/** What the buttons above Tiptap's rich text do. */
import type { Editor } from '@tiptap/core'
import { bindToolbar } from './toolbar.ts'

export function bindRichTools(editor: Editor): void {
  const start = () => editor.chain().focus()
  const tools = {
    bold: { run: () => start().toggleBold().run(), isOn: () => editor.isActive('bold') },
    italic: { run: () => start().toggleItalic().run(), isOn: () => editor.isActive('italic') },
    heading: { run: () => start().toggleHeading({ level: 2 }).run(), isOn: () => editor.isActive('heading', { level: 2 }) },
    list: { run: () => start().toggleBulletList().run(), isOn: () => editor.isActive('bulletList') },
    numbers: { run: () => start().toggleOrderedList().run(), isOn: () => editor.isActive('orderedList') },
    quote: { run: () => start().toggleBlockquote().run(), isOn: () => editor.isActive('blockquote') },
    undo: { run: () => start().undo().run() },
    redo: { run: () => start().redo().run() },
  }
  const show = bindToolbar(tools, () => editor.isEditable)
  for (const event of ['transaction', 'update'] as const) editor.on(event, show)
}
