/** What the pages of ShareDB's documents do when they open, and when they go: a document by its name in the address. */
import { addressOfName, nameOf } from './address.ts'
import { byId } from './dom.ts'
import { HistoryPanel, type Past } from './history.ts'
import { nameProblem } from './names.ts'
import { Sharing, type Sheet } from './sharing.ts'
import { takeToken } from './token.ts'

/** `home`: the collection of documents that are named without one. */
export function openShared(home: string, sheet: Sheet, past: Past): void {
  takeToken()
  const address = addressOfName(new URLSearchParams(location.search).get('document') ?? '', home)
  const name = nameOf(address)
  if (nameProblem(address.id) !== null || nameProblem(name) !== null) return location.replace('/')
  document.title = `${address.id} · Quire`
  byId('title').textContent = address.id
  byId('title').title = name
  const panel = new HistoryPanel(name, past)
  const sharing = new Sharing(address, sheet, () => panel.documentChanged())
  addEventListener('pagehide', () => sharing.leave())
  addEventListener('pageshow', (event) => event.persisted && sharing.comeBack())
  addEventListener('beforeunload', (event) => sharing.unsaved && event.preventDefault())
  void sharing.enter()
}
