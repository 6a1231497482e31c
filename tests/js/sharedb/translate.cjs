// ShareDB's tests of presence in documents have a type of their own, strings with `{index, value}` and `{index, del}`, which
// no server but theirs knows. Here it is rich-text on the wire: the same edits, and cursors that move by the same rule.
const { needs } = require('./needs.cjs')

const OWN = 'http://sharejs.org/types/presence-test-type'
const OWN_NAME = 'presence-test-type'
const RICH = 'http://sharejs.org/types/rich-text/v1'
const KNOWN = new Set([
  RICH, 'http://sharejs.org/types/JSONv0', 'http://sharejs.org/types/textv1', 'http://sharejs.org/types/text-unicode',
  'json0', 'rich-text', 'text', 'text-unicode'
])

/** A message on its way to the server. `documents` names those that are of the type of the tests. */
function out (message, documents) {
  const name = JSON.stringify([message.c, message.d])
  if (message.create) created(message, name, documents)
  if (message.op && documents.has(name)) message.op = rich(message.op)
  if (message.t === OWN) message.t = RICH
  if (message.a === 'p' && documents.has(name) && message.p) message.p = { length: 0, ...message.p }
  return message
}

/** A message from the server. */
function back (message, documents) {
  if (documents.size === 0) return message
  message = structuredClone(message)
  const name = JSON.stringify([message.c, message.d])
  if (!documents.has(name)) return message
  if (message.create) message.create = { type: OWN, data: plain(message.create.data) }
  if (message.op) message.op = own(message.op)
  if (message.data?.type === RICH) message.data = { ...message.data, type: OWN, data: plain(message.data.data) }
  if (message.t === RICH) message.t = OWN
  if (message.a === 'p' && message.p) delete message.p.length
  return message
}

function created (message, name, documents) {
  const { type, data } = message.create
  if (type !== OWN && type !== OWN_NAME) {
    if (typeof type === 'string' && !KNOWN.has(type)) needs(`a type of its own: ${type}`)
    documents.delete(name)
    return
  }
  documents.add(name)
  message.create = { type: RICH, data: { ops: data ? [{ insert: data }] : [] } }
}

function rich ({ index, value, del }) {
  const change = value ? { insert: value } : { delete: del }
  return { ops: index > 0 ? [{ retain: index }, change] : [change] }
}

function own ({ ops }) {
  const index = ops[0]?.retain ?? 0
  const change = ops.at(-1)
  return change.insert ? { index, value: change.insert } : { index, del: change.delete }
}

const plain = data => (data.ops ?? data).map(op => op.insert).join('')

module.exports = { out, back }
