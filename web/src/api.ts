/**
 * The few calls of the REST API that the pages make. Whatever goes wrong becomes an `ApiError` whose message can be shown
 * to a person: the server's own `detail` (problem+json, RFC 9457) where it gave one.
 */
import { tokenHeaders } from './token.ts'

export interface DocumentInfo {
  name: string
  kind: string
  changes: number
  changed_at: string | null
}

export interface Page<T> {
  items: T[]
  next_cursor: string | null
}

/** What a document held after its first `index` changes, and the last of these changes. */
export interface Moment {
  index: number
  content: string
  change: string | null
  time: string | null
  author: string | null
}

/** Who the server takes this person for, and what they may do with the document that was asked about. */
export interface Whoami {
  user: string | null
  access: { may: string[] } | null
}

export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number,
    /** The stable name of the problem; empty where the server gave none. */
    readonly code: string,
  ) {
    super(message)
  }
}

export const WORKSPACE = 'default'
const DOCUMENTS = `/api/v1/workspaces/${WORKSPACE}/documents`

export async function serverVersion(): Promise<string> {
  const { version } = await json<{ version: string }>('/version')
  return version
}

export function whoAmI(document?: string): Promise<Whoami> {
  const query = document === undefined ? '' : `?${new URLSearchParams({ workspace: WORKSPACE, document })}`
  return json(`/api/v1/whoami${query}`)
}

export function listDocuments(cursor: string | null, limit: number): Promise<Page<DocumentInfo>> {
  const query = new URLSearchParams({ limit: String(limit), ...(cursor === null ? {} : { cursor }) })
  return json(`${DOCUMENTS}?${query}`)
}

/**
 * How many changes a document has; none when nobody has written in it yet, for then the server does not know it. Asks for
 * the first document whose name begins so, which is itself: asking for it by name would be an error in a browser's eyes.
 */
export async function changeCount(name: string): Promise<number> {
  const query = new URLSearchParams({ prefix: name, limit: '1' })
  const { items } = await json<Page<DocumentInfo>>(`${DOCUMENTS}?${query}`)
  return items.find((document) => document.name === name)?.changes ?? 0
}

export async function momentOf(name: string, content: Record<string, string>, index: number, signal: AbortSignal): Promise<Moment> {
  const query = new URLSearchParams({ ...content, index: String(index) })
  const { headers, body } = await request(`${documentPath(name)}/content?${query}`, signal)
  return {
    index,
    content: body,
    change: headers.get('Quire-Change'),
    time: headers.get('Quire-Time'),
    author: headers.get('Quire-Author'),
  }
}

/** What to tell a person about an error, whatever it was. */
export function inPlainWords(error: unknown): string {
  if (error instanceof ApiError) return error.message
  return 'The server cannot be reached just now.'
}

function documentPath(name: string): string {
  return `${DOCUMENTS}/${encodeURIComponent(name)}`
}

async function json<T>(path: string): Promise<T> {
  return JSON.parse((await request(path)).body) as T
}

async function request(path: string, signal: AbortSignal | null = null): Promise<{ headers: Headers; body: string }> {
  const response = await fetch(path, { signal, headers: tokenHeaders() })
  const body = await response.text()
  if (!response.ok) throw problemIn(body, response.status)
  return { headers: response.headers, body }
}

function problemIn(body: string, status: number): ApiError {
  const plainly = `The server answered ${status}.`
  try {
    const { detail, title, code } = JSON.parse(body) as { detail?: string; title?: string; code?: string }
    return new ApiError(detail ?? title ?? plainly, status, code ?? '')
  } catch {
    return new ApiError(plainly, status, '')
  }
}
