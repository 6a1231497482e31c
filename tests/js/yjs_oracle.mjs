// The yjs half of tests/yjs_differential.rs. Real yjs documents edit from a seed, their updates
// are handed out in the ways a server may get them, and what a yjs document makes of the same
// deliveries is written beside them; then states that the server encoded are judged by yjs.
//
//   node yjs_oracle.mjs --seed 7 --count 1 --steps 60 --clients 3    runs from seeds, JSON lines
//   node yjs_oracle.mjs --scenarios                                  the fixed reproductions
//   node yjs_oracle.mjs --verify                                     judges answers from stdin
//
// A run is one `run` line and then `update` and `check` lines. All chance comes from one
// generator started from the seed, client ids included: seed, steps and clients name a run.
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import * as Y from 'yjs'
import { Ids } from './yjs_ids.mjs'
import { Random } from './yjs_random.mjs'
import { permutations, scenarios } from './yjs_scenarios.mjs'
import { REMOTE, writeHistory } from './yjs_writers.mjs'

const hex = bytes => Buffer.from(bytes).toString('hex')
const unhex = text => new Uint8Array(Buffer.from(text, 'hex'))
const print = line => process.stdout.write(JSON.stringify(line) + '\n')

// ---- what a yjs document holds --------------------------------------------------------------

// Root types are read in a copy, so that the document itself never learns what they are: a
// declared Y.Text would tidy formats of its own accord and so delete what nobody deleted.
function read (doc) {
  const copy = new Y.Doc()
  Y.applyUpdate(copy, Y.encodeStateAsUpdate(doc))
  return blurred({
    text: copy.getText('text').toString(),
    delta: copy.getText('text').toDelta(),
    map: copy.getMap('map').toJSON(),
    array: copy.getArray('array').toJSON(),
    xml: copy.getXmlFragment('xml').toString()
  })
}

// Whoever cuts a surrogate pair in two, and then undoes that, is left with two replacement
// characters where others have the pair: yjs documents do not agree there among themselves. So
// every half of a pair is compared as a replacement character, which keeps lengths and places.
function blurred (value) {
  if (typeof value === 'string') return value.replace(/[\ud800-\udfff]/g, '\ufffd')
  if (Array.isArray(value)) return value.map(blurred)
  if (value === null || typeof value !== 'object') return value
  if (value instanceof Y.Doc) return { guid: value.guid, gc: value.gc, autoLoad: value.autoLoad }
  return Object.fromEntries(Object.keys(value).sort().map(key => [key, blurred(value[key])]))
}

function load (...updates) {
  const doc = new Y.Doc()
  updates.forEach(update => Y.applyUpdate(doc, update, REMOTE))
  return doc
}

const isPending = doc => doc.store.pendingStructs !== null || doc.store.pendingDs !== null

function describe (doc) {
  const state = Y.encodeStateAsUpdate(doc)
  return {
    pending: isPending(doc),
    clock: Y.encodeStateVector(doc),
    deletes: Ids.deletedIn(state),
    content: read(doc),
    size: state.length
  }
}

// ---- the server that yjs would be -----------------------------------------------------------

class Receiver {
  constructor (gc) {
    this.doc = new Y.Doc({ gc })
    this.doc.clientID = 0
    this.own = []
    this.doc.on('update', (update, origin) => { if (origin !== REMOTE) this.own.push(update) })
    this.inserted = new Ids()
    this.deleted = new Ids()
  }

  // yjs tidies formats in nested texts after a remote update; a y-websocket server sends that to
  // everybody as an update of its own, so it is a delivery like any other here.
  receive (update) {
    print({ type: 'update', hex: hex(update), news: this.newsOf(update) })
    this.remember(update)
    Y.applyUpdate(this.doc, update, REMOTE)
    for (const own of this.own.splice(0)) this.receive(own)
  }

  // true: must be stored; false: must be known as a repetition; null: either is right.
  newsOf (update) {
    const inserts = Ids.insertedIn(update)
    const deletes = Ids.deletedIn(update)
    if (!this.inserted.holds(inserts)) return true
    if (this.deleted.holds(deletes)) return isPending(this.doc) ? null : false
    const held = Ids.deletedIn(Y.encodeStateAsUpdate(load(Y.encodeStateAsUpdate(this.doc))))
    return held.holds(deletes) ? null : true
  }

  remember (update) {
    this.inserted.add(Ids.insertedIn(update))
    this.deleted.add(Ids.deletedIn(update))
  }

  // `peer` is somebody who comes back with an older copy; `rest` is what has not arrived yet, and
  // `whole` the content once it has.
  check (peer, rest, whole) {
    const { clock, deletes, ...facts } = describe(this.doc)
    print({
      type: 'check',
      ...facts,
      clock: hex(clock),
      deletes: deletes.plain(),
      peer: { have: hex(peer.have), state: hex(peer.state), yjs: hex(Y.encodeStateAsUpdate(this.doc, peer.have)) },
      rest: rest.length > 0 && facts.pending ? { updates: hex(Y.mergeUpdates(rest)), whole } : null
    })
  }
}

// ---- deliveries -----------------------------------------------------------------------------

const NOBODY = { have: new Uint8Array([0]), state: new Uint8Array([0, 0]) }

// Each takes the history and gives the updates in the order in which the server gets them.
const deliveries = {
  ordered: history => history.updates,

  shuffled: (history, random) => random.shuffleNearby(history.updates, random.pick([3, 10, 1000])),

  repeated: (history, random) => history.updates.flatMap((update, i) => {
    const earlier = history.updates[random.below(i + 1)]
    return random.pick([[update], [update, update], [update, earlier], [earlier, update]])
  }),

  merged: (history, random) => {
    const order = random.shuffleNearby(history.updates, random.pick([1, 6, 1000]))
    return random.groups(order, 5).map(group => Y.mergeUpdates(group))
  },

  overlapping: (history, random) => {
    const spans = random.groups(history.updates, 4).map((group, i, all) => Y.mergeUpdates([...group, ...(all[i + 1] ?? [])]))
    return random.shuffleNearby(spans, random.pick([1, 4]))
  },

  steps: (history, random) => {
    const replies = history.peers.map(peer => peer.reply)
    return random.shuffleNearby([...replies, ...history.updates], random.pick([5, 1000]))
  },

  cut: (history, random) => random.shuffleNearby(history.updates.flatMap((update, i) => {
    const peer = random.pick([...history.peers, NOBODY])
    return random.chance(0.2) ? [Y.diffUpdate(Y.mergeUpdates(history.updates.slice(0, i + 1)), peer.have), update] : [update]
  }), 4)
}

function deliver (run, updates, peers, random) {
  print({ type: 'run', ...run })
  const receiver = new Receiver(run.gc)
  const whole = read(load(...updates))
  const every = updates.length < 12 ? 1 : 4 + random.below(16)
  updates.forEach((update, i) => {
    receiver.receive(update)
    const last = i === updates.length - 1
    if (last || i % every === 0) receiver.check(random.pick([...peers, NOBODY]), updates.slice(i + 1), whole)
  })
}

function runSeed (seed, steps, clients) {
  const random = new Random(seed)
  const history = writeHistory(random, steps, clients)
  for (const [delivery, order] of Object.entries(deliveries)) {
    const run = { name: `seed ${seed}, ${delivery}`, gc: random.chance(0.7) }
    deliver(run, order(history, random), history.peers, random)
  }
}

function runScenarios () {
  for (const { name, updates, peers = [] } of scenarios()) {
    for (const order of permutations(updates)) {
      const run = { name: `${name}, order ${order.map(update => updates.indexOf(update)).join(' ')}`, gc: true }
      deliver(run, order, peers, new Random(1))
    }
  }
}

// ---- judging what the server encoded --------------------------------------------------------

const clocks = vector => Object.fromEntries([...Y.decodeStateVector(vector)].filter(([, clock]) => clock > 0))

// yrs prints the attributes of an XML element in no particular order, yjs in the order of names.
const attributesInOrder = xml => xml.replace(/<(\w+)((?: \w+="[^"]*")+)>/g, (_, name, attributes) =>
  `<${name} ${attributes.match(/\w+="[^"]*"/g).sort().join(' ')}>`)

// null when equal, else one line that says what differs.
function difference (what, actual, expected) {
  const [left, right] = [actual, expected].map(value => JSON.stringify(blurred(value)))
  return left === right ? null : `${what}: ${left} instead of ${right}`
}

// Where nothing is missing both hold the same. Else ours may be ahead, for yjs looks less often at
// what waits, but must not be behind; what is said of content then only counts at equal clocks.
function compareClocks (what, ours, theirs, pending) {
  if (!pending) return [difference(what, ours, theirs)]
  const behind = Object.keys(theirs).filter(client => (ours[client] ?? 0) < theirs[client])
  return [difference(`${what}: clients behind yjs`, behind, [])]
}

const sameClocks = (ours, theirs) => difference('', ours, theirs) === null

// The clock that the server claims: never more than it holds.
function judgeClock (have, state, check) {
  const claimed = clocks(have)
  const held = clocks(Y.encodeStateVectorFromUpdate(Y.mergeUpdates(state)))
  const without = Object.keys(claimed).filter(client => claimed[client] > (held[client] ?? 0))
  return [
    ...compareClocks('have', claimed, clocks(unhex(check.clock)), check.pending),
    difference('have: claimed without content', without, [])
  ]
}

// As JSON a subdocument of ours is its guid; its options are compared in the states.
function guidsAlone (value) {
  if (value === null || typeof value !== 'object') return value
  if (Array.isArray(value)) return value.map(guidsAlone)
  if ('guid' in value) return { guid: value.guid }
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, guidsAlone(inner)]))
}

function judgeContent (content, check) {
  if (check.pending) return []
  const ours = { ...content, xml: attributesInOrder(content.xml) }
  const theirs = guidsAlone({ ...check.content, xml: attributesInOrder(check.content.xml) })
  return Object.keys(ours).map(root => difference(root, ours[root], theirs[root]))
}

// All that the server would store, in a yjs document of its own.
function judgeState (state, check) {
  const doc = load(...state)
  const [ours, theirs] = [clocks(Y.encodeStateVector(doc)), clocks(unhex(check.clock))]
  const facts = [...compareClocks('state: clock', ours, theirs, check.pending), difference('state: pending', isPending(doc), check.pending)]
  if (!sameClocks(ours, theirs)) return facts
  const deletes = Ids.deletedIn(Y.mergeUpdates(state)).plain()
  return [...facts, difference('state: content', read(doc), check.content), difference('state: deletes', deletes, check.deletes)]
}

// What the server answers to the peer's step 1 must do for it what the answer of yjs does. It is
// given as one update: of several, yjs would leave some waiting that it could take.
function judgeDiff (diff, check) {
  const peer = unhex(check.peer.state)
  const docs = [diff, [unhex(check.peer.yjs)]].map(reply => load(Y.mergeUpdates([peer, ...reply])))
  const [ours, theirs] = docs.map(doc => clocks(Y.encodeStateVector(doc)))
  const facts = compareClocks('diff: clock', ours, theirs, check.pending)
  return sameClocks(ours, theirs) ? [...facts, difference('diff: content', ...docs.map(read))] : facts
}

// yjs tidies formats after remote updates, and not the same ones on every way to a state; where the
// ways differ, content is compared without formats.
function withoutFormats ({ delta, xml, ...content }) {
  const text = delta.map(({ insert }) => typeof insert === 'string' ? insert : JSON.stringify(insert)).join('')
  return { ...content, text, xml: xml.replace(/<\/?(bold|italic|link)\b[^>]*>/g, '') }
}

// What a state or a diff left out shows when all that was still on its way has arrived too.
function judgeRest (state, diff, check) {
  if (check.rest === null) return []
  const rest = unhex(check.rest.updates)
  const peer = unhex(check.peer.state)
  const together = (...updates) => withoutFormats(read(load(...updates, rest)))
  return [
    difference('state and rest', together(...state), withoutFormats(check.rest.whole)),
    difference('diff and rest', together(peer, ...diff), together(peer, unhex(check.peer.yjs)))
  ]
}

// The updates themselves, as a reader is shown them: merged where they waited together. What yjs looks at of
// what waits depends on how it came, so that is left to what comes next.
function judgeMerged (merged, check) {
  const doc = load(...merged)
  if (check.pending || isPending(doc)) return []
  const theirs = clocks(unhex(check.clock))
  return [
    difference('merged: clock', clocks(Y.encodeStateVector(doc)), theirs),
    difference('merged: content', withoutFormats(read(doc)), withoutFormats(check.content))
  ]
}

function judge (answer) {
  const { check, content } = answer
  const [state, diff, merged] = [answer.state, answer.diff, answer.merged].map(updates => updates.map(unhex))
  return [
    ...judgeClock(unhex(answer.have), state, check),
    ...judgeContent(content, check),
    ...judgeState(state, check),
    ...judgeDiff(diff, check),
    ...judgeRest(state, diff, check),
    ...judgeMerged(merged, check)
  ].filter(line => line !== null)
}

async function verify () {
  for await (const line of createInterface({ input: process.stdin })) {
    let differences
    try {
      differences = judge(JSON.parse(line))
    } catch (error) {
      differences = [`yjs refused it: ${error.stack}`]
    }
    print({ differences })
  }
}

// ---- the command line -----------------------------------------------------------------------

const { values: args } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    count: { type: 'string', default: '1' },
    steps: { type: 'string', default: '60' },
    clients: { type: 'string', default: '3' },
    scenarios: { type: 'boolean', default: false },
    verify: { type: 'boolean', default: false }
  }
})

if (args.verify) await verify()
else if (args.scenarios) runScenarios()
else for (let i = 0; i < +args.count; i++) runSeed(+args.seed + i, +args.steps, +args.clients)
