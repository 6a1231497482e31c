/**
 * The landing page: which documents there are, a way into one of them or a new one, and the lines that a developer needs
 * to connect an editor of their own.
 */
import { whyNot } from './access.ts'
import { ApiError, inPlainWords, listDocuments, serverVersion, whoAmI, type DocumentInfo } from './api.ts'
import { byId, element, say } from './dom.ts'
import { documentName, nameProblem } from './names.ts'
import { signIn } from './signin.ts'
import { offerSnippets } from './snippets.ts'
import { ago, count, timeElement } from './times.ts'
import { currentToken, forgetToken, takeToken } from './token.ts'
import { addressOf, viewsOf, type View } from './views.ts'

const PAGE_SIZE = 25

const nameField = byId<HTMLInputElement>('name')
const table = byId<HTMLTableElement>('documents')
const note = byId('documents-note')
const more = byId<HTMLButtonElement>('more')

let nextCursor: string | null = null

takeToken()
showVersion()
offerName()
offerSnippets()
void showDocuments()

function showVersion(): void {
  serverVersion().then(
    (version) => byId('version').append(version),
    () => byId('version').remove(),
  )
}

function offerName(): void {
  nameField.value = documentName()
  byId('suggest').addEventListener('click', () => {
    nameField.value = documentName()
    nameField.select()
  })
  nameField.addEventListener('input', () => say(byId('name-problem'), null))
  byId('open').addEventListener('submit', (event) => {
    const problem = nameProblem(nameField.value)
    say(byId('name-problem'), problem)
    if (problem !== null) event.preventDefault()
  })
}

async function showDocuments(): Promise<void> {
  more.addEventListener('click', () => void showMore())
  await showMore()
  if (table.tBodies[0]!.rows.length === 0 && nextCursor === null && !note.classList.contains('problem')) {
    say(note, 'None yet. Give one a name above and start writing.')
  }
}

async function showMore(): Promise<void> {
  more.disabled = true
  try {
    const page = await listDocuments(nextCursor, PAGE_SIZE)
    nextCursor = page.next_cursor
    addRows(page.items)
    note.classList.remove('problem')
    say(note, null)
    void showWho()
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) {
      await signIn(note, whyNot(error))
      return showMore()
    }
    if (error instanceof ApiError && error.status === 403) void showWho()
    note.classList.add('problem')
    say(note, `The documents cannot be listed. ${inPlainWords(error)}`)
  }
  more.hidden = nextCursor === null
  more.disabled = false
}

/** Who is signed in, and a way to be so no longer. */
async function showWho(): Promise<void> {
  if (currentToken() === null) return
  const { user } = await whoAmI()
  const leave = element('button', { type: 'button', class: 'link' }, 'Sign out')
  leave.addEventListener('click', () => {
    forgetToken()
    location.reload()
  })
  byId('who').replaceChildren(`Signed in${user === null ? '' : ' as '}`, element('bdi', {}, user ?? ''), '. ', leave)
  byId('who').hidden = false
  // Both take more than most tokens allow, and a link cannot show one.
  byId('operations').hidden = true
  offerSnippets()
}

function addRows(documents: DocumentInfo[]): void {
  const rows = documents.map(row)
  table.tBodies[0]!.append(...rows)
  table.hidden = table.tBodies[0]!.rows.length === 0
}

function row(info: DocumentInfo): HTMLTableRowElement {
  const changed = info.changed_at === null ? 'never' : timeElement(info.changed_at, (time) => ago(time, new Date()))
  return element(
    'tr',
    {},
    element('th', { scope: 'row' }, element('bdi', {}, info.name)),
    element('td', { class: 'ways' }, ...viewsOf(info.kind, info.name).map((view) => wayInto(info, view))),
    element('td', {}, info.kind),
    element('td', { class: 'number' }, count(info.changes), element('span', { class: 'unit' }, info.changes === 1 ? ' change' : ' changes')),
    element('td', {}, changed),
  )
}

/** A Yjs document does not say in which view it was written, so each of them is offered. */
function wayInto(info: DocumentInfo, view: View): HTMLAnchorElement {
  return element('a', { href: addressOf(view, info.name), 'aria-label': `${info.name}, ${view.title.toLowerCase()}` }, view.title)
}
