// The hash of what a document holds, as Quire computes it (`engine/src/ordered/hash.rs`): from the URI of its type and the
// data that a client has of it. A document that there is not has neither.

import { createHash } from 'node:crypto'

export function stateHash (uri, data) {
  const text = uri === null ? '' : `${uri}\n${canonical(data)}`
  return createHash('sha256').update(text, 'utf8').digest('hex')
}

// JSON that is the same for all who hold the same: members in the order of their names.
export function canonical (value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (value === null || typeof value !== 'object') return JSON.stringify(value ?? null)
  const members = Object.keys(value).sort().map(name => `${JSON.stringify(name)}:${canonical(value[name])}`)
  return `{${members.join(',')}}`
}
