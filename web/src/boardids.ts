/**
 * What the board of a name is called. Documents of Automerge are named by ids, which are 16 bytes with a checksum in letters;
 * that of a readable name are the first 16 bytes of its SHA-256, so that all who give the same name come to the same board.
 */
import { isValidAutomergeUrl, isValidDocumentId, parseAutomergeUrl, stringifyAutomergeUrl, type BinaryDocumentId, type DocumentId } from '@automerge/automerge-repo/slim'
// The browser's own is missing where the page is not served from a secure origin, such as a machine on the LAN.
import sha256 from 'fast-sha256'

const ID_BYTES = 16

export interface BoardAddress {
  id: DocumentId
  /** None where it was named by its id. */
  title: string | null
}

/** What a name stands for: an id or an `automerge:` address for itself, anything else for the id that is made of it. */
export function boardAddressOf(name: string): BoardAddress {
  if (isValidAutomergeUrl(name)) return { id: parseAutomergeUrl(name).documentId, title: null }
  if (isValidDocumentId(name)) return { id: name, title: null }
  const bytes = sha256(new TextEncoder().encode(name)).slice(0, ID_BYTES) as BinaryDocumentId
  return { id: parseAutomergeUrl(stringifyAutomergeUrl(bytes)).documentId, title: name }
}
