// Reproductions of known defects, each a handful of updates written by real yjs documents. The
// oracle delivers every one of them in all orders.
import * as Y from 'yjs'

export function scenarios () {
  return [
    nestedContainerReplaced(), deleteRangeStartsInCollected(), deletesOfUnseenClient(), deletesBehindPending(),
    mapWithoutPredecessor(), holeInOneClient(), holeCoveredByCollected(), holeAndReply(), holeInReply(),
    pairCutInHalf(), deadFormats(), siblingsOfDeletedParent(), undoneDelete()
  ]
}

export function permutations (list) {
  if (list.length <= 1) return [list]
  return list.flatMap((item, i) => permutations(list.toSpliced(i, 1)).map(rest => [item, ...rest]))
}

class Writer {
  constructor (clientID, gc = true) {
    this.doc = new Y.Doc({ gc })
    this.doc.clientID = clientID
    this.sent = []
    this.doc.on('update', (update, origin) => { if (origin !== 'remote') this.sent.push(update) })
  }

  hear (...updates) {
    updates.forEach(update => Y.applyUpdate(this.doc, update, 'remote'))
    return this
  }

  // One transaction, and the update it sends.
  does (edit) {
    this.doc.transact(() => edit(this.doc))
    return this.sent.at(-1)
  }

  get state () {
    return Y.encodeStateAsUpdate(this.doc)
  }

  get peer () {
    return { have: Y.encodeStateVector(this.doc), state: this.state }
  }
}

// y-crdt#607: one side deletes a container in which the other then deletes what came with it.
function nestedContainerReplaced () {
  const a = new Writer(1)
  const b = new Writer(2)
  const base = a.does(doc => doc.getMap('map').set('box', new Y.Map([['inner', 1]])))
  b.hear(base)
  const inside = b.does(doc => doc.getMap('map').get('box').set('more', 2))
  const replaced = b.does(doc => { doc.getMap('map').set('ghost', 3); doc.getMap('map').delete('box') })
  a.hear(inside, replaced)
  const gone = a.does(doc => doc.getMap('map').delete('ghost'))
  return { name: 'y-crdt#607', updates: [base, inside, replaced, gone, a.state], peers: [b.peer] }
}

// y-crdt#605, #606, #614: a delete range begins in collected history and ends in live content.
function deleteRangeStartsInCollected () {
  const a = new Writer(1)
  const base = a.does(doc => doc.getXmlFragment('xml').insert(0, [new Y.XmlElement('p')]))
  const child = a.does(doc => doc.getXmlFragment('xml').get(0).insert(0, [new Y.XmlText('inner')]))
  const dropped = a.does(doc => doc.getXmlFragment('xml').delete(0, 1))
  const stale = a.peer
  const next = a.does(doc => doc.getXmlFragment('xml').insert(0, [new Y.XmlElement('h1')]))
  const cleared = a.does(doc => doc.getXmlFragment('xml').delete(0, 1))
  return { name: 'y-crdt#605', updates: [base, child, dropped, next, Y.mergeUpdates([dropped, cleared])], peers: [stale] }
}

// y-crdt#582, #583: deletes arrive before anything else of that client.
function deletesOfUnseenClient () {
  const a = new Writer(1)
  const b = new Writer(2)
  const typed = a.does(doc => doc.getText('text').insert(0, 'foo'))
  b.hear(typed)
  const cut = b.does(doc => doc.getText('text').delete(0, 1))
  const cutMore = b.does(doc => doc.getText('text').delete(1, 1))
  return { name: 'y-crdt#582', updates: [typed, cut, cutMore] }
}

// y-crdt#628: deletes wait for content that itself waits for other content.
function deletesBehindPending () {
  const a = new Writer(1)
  const b = new Writer(2)
  const first = a.does(doc => doc.getText('text').insert(0, 'one'))
  b.hear(first)
  const second = b.does(doc => doc.getText('text').insert(3, 'two'))
  a.hear(second)
  const third = a.does(doc => { doc.getText('text').delete(2, 3); doc.getText('text').insert(2, 'three') })
  b.hear(third)
  const fourth = b.does(doc => doc.getText('text').delete(1, 4))
  return { name: 'y-crdt#628', updates: [first, second, third, fourth] }
}

// yjs#461, #591, #674: a key is overwritten while an earlier change of that client is missing.
function mapWithoutPredecessor () {
  const a = new Writer(1)
  const base = a.does(doc => { doc.getMap('map').set('x', 0); doc.getMap('map').set('y', 0) })
  const x = a.does(doc => doc.getMap('map').set('x', 100))
  const y = a.does(doc => doc.getMap('map').set('y', 200))
  return { name: 'yjs#461', updates: [base, x, y] }
}

// y-crdt#632: changes of one client that do not build on each other, with one missing.
function holeInOneClient () {
  const a = new Writer(1)
  const updates = ['one', 'two', 'three', 'four'].map(key => a.does(doc => doc.getMap('map').set(key, key)))
  return { name: 'y-crdt#632', updates }
}

// A hole, content behind it, and then a reply in which all of it has become one collected block.
function holeCoveredByCollected () {
  const a = new Writer(1)
  const b = new Writer(2)
  const base = a.does(doc => doc.getMap('map').set('box', new Y.Map()))
  b.hear(base)
  const keys = ['one', 'two', 'three'].map(key => b.does(doc => doc.getMap('map').get('box').set(key, key)))
  a.hear(...keys)
  a.does(doc => doc.getMap('map').delete('box'))
  return { name: 'hole covered by a collected block', updates: [base, keys[1], keys[2], a.state] }
}

// A peer that lacks only what lies behind the hole asks for its difference.
function holeAndReply () {
  const a = new Writer(1)
  const [one, two, three] = ['one', 'two', 'three'].map(key => a.does(doc => doc.getMap('map').set(key, key)))
  const peer = new Writer(3).hear(one, two).peer
  return { name: 'reply from behind a hole', updates: [one, two, three], peers: [peer] }
}

// A writer who will never get what he lacks of another goes on writing, and comes to a new server:
// all that he holds is in one update with that hole, and what he writes next builds on it.
function holeInReply () {
  const a = new Writer(1)
  const b = new Writer(2)
  const [one, , three] = ['one', 'two', 'three'].map(key => a.does(doc => doc.getMap('map').set(key, key)))
  b.hear(one, three).does(doc => doc.getText('text').insert(0, 'mine'))
  const reply = b.state
  const next = b.does(doc => doc.getText('text').insert(4, ' too'))
  return { name: 'reply with a hole', updates: [reply, next] }
}

// A surrogate pair cut by a delete, by an insert between its halves, and by a format.
function pairCutInHalf () {
  const a = new Writer(1)
  const b = new Writer(2)
  const base = a.does(doc => doc.getText('text').insert(0, 'x😀y😀z'))
  b.hear(base)
  const cut = a.does(doc => doc.getText('text').delete(2, 1))
  const between = b.does(doc => doc.getText('text').insert(5, 'mid'))
  const format = b.does(doc => doc.getText('text').format(0, 2, { bold: true }))
  return { name: 'surrogate pair', updates: [base, cut, between, format] }
}

// Text between two formats is deleted by one side while the other formats it again.
function deadFormats () {
  const a = new Writer(1)
  const b = new Writer(2)
  const base = a.does(doc => doc.getText('text').insert(0, 'abcdef'))
  b.hear(base)
  const bold = a.does(doc => doc.getText('text').format(1, 3, { bold: true }))
  const plain = b.does(doc => doc.getText('text').format(2, 3, { bold: true, italic: true }))
  const cut = b.does(doc => doc.getText('text').delete(1, 4))
  return { name: 'dead formats', updates: [base, bold, plain, cut] }
}

// Content goes into a parent that another side has deleted and collected.
function siblingsOfDeletedParent () {
  const a = new Writer(1)
  const b = new Writer(2)
  const base = a.does(doc => doc.getArray('array').insert(0, [new Y.Array(), 'kept']))
  b.hear(base)
  const inside = b.does(doc => doc.getArray('array').get(0).insert(0, [1, new Y.Map([['k', 'v']]), 3]))
  const deeper = b.does(doc => doc.getArray('array').get(0).get(1).set('k', new Y.Text('deep')))
  const dropped = a.does(doc => doc.getArray('array').delete(0, 1))
  return { name: 'content of a deleted parent', updates: [base, inside, deeper, dropped] }
}

function undoneDelete () {
  const a = new Writer(1)
  const base = a.does(doc => doc.getText('text').insert(0, 'keep me'))
  const undo = new Y.UndoManager(a.doc.getText('text'), { captureTimeout: 0 })
  const cut = a.does(doc => doc.getText('text').delete(0, 4))
  undo.undo()
  const restored = a.sent.at(-1)
  undo.redo()
  return { name: 'undo and redo of a delete', updates: [base, cut, restored, a.sent.at(-1)] }
}
