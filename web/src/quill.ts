/** The Quill page: a document of ShareDB's rich text, its history, and its goodbye when the page goes. */
import { openShared } from './opening.ts'
import { bindQuillTools } from './quilltools.ts'
import { mountQuill } from './paper.ts'
import { QuillSheet, shown } from './quillsheet.ts'
import { byId } from './dom.ts'
import { TEXTS } from './views.ts'

const quill = mountQuill(byId('editor'), 'Text of the document', 'Start writing …')
bindQuillTools(quill)
const past = mountQuill(byId('past'), 'The text at that point')
past.root.tabIndex = 0
openShared(TEXTS, new QuillSheet(quill), {
  query: { format: 'json' },
  show: (content) => past.setContents(shown(JSON.parse(content) ?? []), 'api'),
})
