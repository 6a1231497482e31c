/**
 * The board page: a document of the unmodified automerge-repo client, its history, and its goodbye when the page goes. Automerge
 * itself is WebAssembly, which is loaded by this page alone.
 */
import { initializeWasm } from '@automerge/automerge-repo/slim'
import automerge from '@automerge/automerge/automerge.wasm?url'
import { boardAddressOf } from './boardids.ts'
import { BoardSheet } from './boardsheet.ts'
import { byId, say } from './dom.ts'
import { HistoryPanel } from './history.ts'
import { Keeping } from './keeping.ts'
import { nameProblem } from './names.ts'
import { showBoard } from './pastboard.ts'
import { takeToken } from './token.ts'

const NOT_LOADED = 'Automerge could not be loaded. Load this page again.'

takeToken()
const name = new URLSearchParams(location.search).get('document') ?? ''
if (nameProblem(name) !== null) location.replace('/')
else void start()

async function start(): Promise<void> {
  const address = boardAddressOf(name)
  document.title = `${address.title ?? address.id} · Quire`
  byId('title').textContent = address.title ?? address.id
  byId('title').title = address.id
  await initializeWasm(automerge).catch((error: unknown) => {
    say(byId('banner'), NOT_LOADED)
    throw error
  })
  const panel = new HistoryPanel(address.id, { query: { format: 'json' }, show: (content) => showBoard(byId('past'), content) })
  const keeping = new Keeping(address, new BoardSheet(), () => panel.documentChanged())
  addEventListener('pagehide', () => keeping.leave())
  addEventListener('pageshow', (event) => event.persisted && keeping.comeBack())
  addEventListener('beforeunload', (event) => keeping.unsaved && event.preventDefault())
  await keeping.enter()
}
