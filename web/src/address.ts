/**
 * How ShareDB's clients name a document, by a collection and an id, and what it is called here: both as one name, with a
 * slash between them. In the collection a slash is written `%2F` and a percent sign `%25`, so that each pair has one name.
 */

export interface Address {
  collection: string
  id: string
}

export function nameOf({ collection, id }: Address): string {
  return `${collection.replaceAll('%', '%25').replaceAll('/', '%2F')}/${id}`
}

/**
 * The channel for presence that is about a document and is not moved by its operations. With a dot in it, it could be that
 * of a document.
 */
export function channelOf(address: Address): string {
  return nameOf(address).replaceAll('%', '%25').replaceAll('.', '%2E')
}

/** What a name stands for; a name without a slash is an id in the collection of the page that asks. */
export function addressOfName(name: string, home: string): Address {
  const slash = name.indexOf('/')
  if (slash < 0) return { collection: home, id: name }
  return { collection: name.slice(0, slash).replaceAll('%2F', '/').replaceAll('%25', '%'), id: name.slice(slash + 1) }
}
