/** The rich text page: a document by its name in the address, and its goodbye when the page goes. */
import { byId } from './dom.ts'
import { nameProblem } from './names.ts'
import { takeToken } from './token.ts'
import { linkViews } from './views.ts'
import { Writing } from './writing.ts'

takeToken()
const name = new URLSearchParams(location.search).get('document') ?? ''
if (nameProblem(name) !== null) location.replace('/')
else start()

function start(): void {
  document.title = `${name} · Quire`
  byId('title').textContent = name
  linkViews(name)
  const writing = new Writing(name)
  addEventListener('pagehide', () => writing.leave())
  addEventListener('pageshow', (event) => event.persisted && writing.comeBack())
  addEventListener('beforeunload', (event) => writing.unsaved && event.preventDefault())
  void writing.enter()
}
