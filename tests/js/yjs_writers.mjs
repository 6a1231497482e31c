// Writers at work: documents that edit every kind of shared type at random, undo, and hear of
// each other late. What they send, in the order in which it was sent, is the history of a run.
import * as Y from 'yjs'

// XML texts get no embeds: yjs and yrs print those differently, which is no matter of content.
export const REMOTE = 'remote'

// Pieces of one to four bytes in UTF-8. Never half a surrogate pair of its own: where yjs splits
// behind one it spoils the next character, in the writer's document only. Pairs do get cut later.
const PIECES = ['a', 'bc', 'defg', ' ', '\n', 'é', 'e\u0301', '漢字', '😀', '👩‍👧', 'x😀y']
const KEYS = ['k0', 'k1', 'k2', 'k3']
// Few, so that one subdocument stands in several places, and of several writers.
const GUIDS = ['g0', 'g1', 'g2']
const MARKS = [{ bold: true }, { bold: null }, { italic: true }, { link: { href: 'x' } }, { bold: true, italic: null }]

export function writeHistory (random, steps, clients) {
  const updates = []
  const writers = clientIds(random, clients).map(id => new Writer(id, random, update => updates.push(update)))
  const peers = []
  for (let step = 0; step < steps; step++) {
    const writer = random.pick(writers)
    writer.act()
    if (random.chance(0.3)) writer.hear(updates)
    if (random.chance(0.1)) peers.push(takePeer(writer, random.pick(writers)))
  }
  return { updates, peers }
}

// Small and large ids, all different: yjs takes a new one by chance when it meets its own.
function clientIds (random, count) {
  const ids = new Set()
  while (ids.size < count) ids.add(1 + random.pick([random.below(200), random.below(0xffffffff)]))
  return [...ids]
}

// Somebody as they were at this moment, and what they would have answered to another's step 1.
function takePeer (writer, other) {
  return {
    have: Y.encodeStateVector(writer.doc),
    state: Y.encodeStateAsUpdate(writer.doc),
    reply: Y.encodeStateAsUpdate(writer.doc, Y.encodeStateVector(other.doc))
  }
}

class Writer {
  constructor (clientID, random, send) {
    this.random = random
    this.heard = 0
    this.doc = new Y.Doc({ gc: random.chance(0.6) })
    this.doc.clientID = clientID
    this.text = this.doc.getText('text')
    this.map = this.doc.getMap('map')
    this.array = this.doc.getArray('array')
    this.xml = this.doc.getXmlFragment('xml')
    this.undo = new Y.UndoManager([this.text, this.map, this.array, this.xml], { captureTimeout: 0 })
    this.doc.on('update', (update, origin) => { if (origin !== REMOTE) send(update) })
  }

  hear (updates) {
    const until = Math.min(updates.length, this.heard + 1 + this.random.below(20))
    for (; this.heard < until; this.heard++) Y.applyUpdate(this.doc, updates[this.heard], REMOTE)
  }

  act () {
    if (this.random.chance(0.08)) return this.random.chance(0.7) ? this.undo.undo() : this.undo.redo()
    const edits = this.random.chance(0.2) ? 1 + this.random.below(6) : 1
    this.doc.transact(() => { for (let i = 0; i < edits; i++) this.edit(this.target()) })
  }

  // A root, or with some chance something deep inside it.
  target () {
    let type = this.random.pick([this.text, this.text, this.map, this.array, this.xml])
    while (this.random.chance(0.6)) {
      const inner = innerTypes(type)
      if (inner.length === 0) break
      type = this.random.pick(inner)
    }
    return type
  }

  edit (type) {
    if (type instanceof Y.XmlElement && this.random.chance(0.4)) return this.editAttributes(type)
    if (type instanceof Y.XmlFragment) return this.editChildren(type, () => this.newXml())
    if (type instanceof Y.Text) return this.editText(type)
    if (type instanceof Y.Map) return this.editMap(type)
    return this.editChildren(type, () => this.newValue())
  }

  editText (text) {
    const { random } = this
    const at = random.below(text.length + 1)
    const length = Math.min(random.below(6), text.length - at)
    const what = random.below(10)
    if (what < 5) text.insert(at, random.pick(PIECES), random.chance(0.2) ? this.newMark() : undefined)
    else if (what < 8) text.delete(at, length)
    else if (what < 9) text.format(at, length, this.newMark())
    else if (!(text instanceof Y.XmlText)) text.insertEmbed(at, { image: random.below(9) })
  }

  editMap (map) {
    const key = this.random.pick(KEYS)
    if (this.random.chance(0.2)) map.delete(key)
    else map.set(key, this.newValue())
  }

  editChildren (list, create) {
    const at = this.random.below(list.length + 1)
    if (this.random.chance(0.35)) return list.delete(at, Math.min(this.random.below(4), list.length - at))
    list.insert(at, Array.from({ length: 1 + this.random.below(3) }, create))
  }

  editAttributes (element) {
    const key = this.random.pick(KEYS)
    if (this.random.chance(0.25)) element.removeAttribute(key)
    else element.setAttribute(key, this.random.pick(PIECES.slice(0, 6)))
  }

  // A copy, because yjs completes the marks that it is given.
  newMark () {
    return { ...this.random.pick(MARKS) }
  }

  newValue () {
    const { random } = this
    const values = [
      () => random.below(1000), () => -random.word(), () => random.below(100) / 8, () => 2 ** 40 + random.below(9),
      () => random.chance(0.5), () => null, () => random.pick(PIECES.slice(0, 10)),
      () => ({ a: [1, { b: null }], c: 'd' }), () => [random.below(9), 'x', []],
      () => new Y.Doc({ guid: random.pick(GUIDS), gc: random.chance(0.7), autoLoad: random.chance(0.3) }),
      () => new Y.Text(random.pick(PIECES)), () => new Y.Map([['k0', random.below(9)]]), () => Y.Array.from([1, 'two'])
    ]
    return random.pick(values)()
  }

  newXml () {
    if (this.random.chance(0.5)) return new Y.XmlText(this.random.pick(PIECES.slice(0, 9)))
    return new Y.XmlElement(this.random.pick(['p', 'h1', 'li']))
  }
}

function innerTypes (type) {
  const values = type instanceof Y.Map ? [...type.values()] : type instanceof Y.Text ? [] : type.toArray()
  return values.filter(value => value instanceof Y.AbstractType)
}
