// Cases by chance: a document, two operations on it, one that follows the first, and cursors.

import { Random } from '../yjs_random.mjs'
import { apply, clone } from './types.mjs'

const pieces = ['a', 'b', 'xy', 'é', '😀', '👍🏽', '\n', 'lorem ']
const keys = ['a', 'b', 'c', 'd', 'é', '7', '10']

// What bad clients send: of the right shape and within the document, but with values that are not there.
export function looseCase (seed) {
  const random = new Random(seed ^ 0x5bd1e995)
  const { s, a, b, c } = randomCase('json0', seed)
  const loosen = op => op.map(component => {
    if (random.chance(0.5)) return component
    const { ld, od, oi, ...rest } = component
    if (ld !== undefined) return { ...component, ld: value(random, 2) }
    if (od !== undefined) return random.chance(0.3) && oi !== undefined ? { ...rest, oi } : { ...component, od: value(random, 2) }
    return oi !== undefined && random.chance(0.5) ? { ...rest, od: oi } : component
  })
  return { s, a: loosen(a), b: loosen(b), c }
}

export function randomCase (name, seed) {
  const random = new Random(seed)
  random.form = random.below(4)
  const kind = kinds[name.replace('-5', '')]
  const s = kind.document(random)
  // Changes to the inside of embedded things, which the newer delta has, fit no document without a handler.
  const amends = name === 'rich-text-5'
  const a = kind.operation(random, clone(s), amends && random.form === 0)
  const b = kind.operation(random, clone(s), amends && random.form < 2)
  const c = amends && random.form === 0 ? undefined : kind.operation(random, apply(name, s, a))
  return { s, a, b, c, u: kind.cursors ? kind.cursors(random, s) : [] }
}

/** A document of a type, and an operation that fits one. `random.form` says how strings in JSON are edited: all writers keep to one. */
export const randomDocument = (name, random) => kinds[name].document(random)
export const randomOperation = (name, random, document) => kinds[name].operation(random, document)

function words (random, most) {
  let text = ''
  for (let i = random.below(most + 1); i > 0; i--) text += random.pick(pieces)
  return text
}

const someWords = (random, most) => words(random, most) || random.pick(pieces)

// Walks: `measure` counts, `cut` takes from a place.
function walk (random, length, textOf) {
  const op = []
  let at = 0
  const push = component => {
    const last = op[op.length - 1]
    if (typeof component !== 'object' && typeof last === typeof component) op[op.length - 1] += component
    else op.push(component)
  }
  for (let i = random.below(6); i > 0; i--) {
    const left = length - at
    const most = left > 0 ? 1 + random.below(Math.min(left, 8)) : 0
    const choice = random.below(3)
    if (choice === 0) push(someWords(random, 3))
    else if (most > 0 && choice === 1) { push(most); at += most } else if (most > 0) { push({ d: textOf(at, most) }); at += most }
  }
  while (typeof op[op.length - 1] === 'number') op.pop()
  return op
}

const plain = {
  document: random => words(random, 12),
  operation: (random, s) => walk(random, s.length, (at, count) => count),
  cursors: (random, s) => [random.below(s.length + 1), [random.below(s.length + 1), random.below(s.length + 1)]]
}

const unicode = {
  document: plain.document,
  operation (random, s) {
    const points = [...s]
    const tells = random.chance(0.5)
    return walk(random, points.length, (at, count) => tells || random.chance(0.1) ? points.slice(at, at + count).join('') : count)
  },
  cursors: (random, s) => plain.cursors(random, [...s])
}

// Deltas.
const attributeValues = { bold: [true, null], color: ['red', 'blue', null], link: [{ to: 'x' }, ['y'], null], size: [1, 2.5, null] }

function attributes (random, inDocument) {
  const chosen = {}
  for (const [key, values] of Object.entries(attributeValues)) {
    const value = random.pick(values)
    if (random.chance(0.3) && !(inDocument && value === null)) chosen[key] = clone(value)
  }
  return chosen
}

function withAttributes (op, chosen) {
  return Object.keys(chosen).length > 0 ? { ...op, attributes: chosen } : op
}

function insertion (random, inDocument) {
  const thing = random.chance(0.25) ? random.pick([{ image: 'i' }, 7, [1], { video: { at: 1 } }]) : someWords(random, 3)
  return withAttributes({ insert: clone(thing) }, attributes(random, inDocument))
}

const deltaLength = ops => ops.reduce((sum, op) => sum + (typeof op.insert === 'string' ? op.insert.length : 1), 0)

const rich = {
  document (random) {
    const ops = []
    for (let i = random.below(7); i > 0; i--) ops.push(insertion(random, true))
    return apply('rich-text', { ops: [] }, { ops })
  },
  operation (random, s, amends = false) {
    const ops = []
    let left = deltaLength(s.ops)
    for (let i = random.below(7); i > 0; i--) {
      const most = left > 0 ? 1 + random.below(Math.min(left, 8)) : 0
      if (amends && most > 0 && random.chance(0.3)) {
        const change = random.pick([{ image: 'j' }, { video: { at: 2 } }])
        ops.push(withAttributes({ retain: clone(change) }, attributes(random, false)))
        left -= 1
        continue
      }
      const choice = random.below(4)
      if (choice === 0) ops.push(insertion(random, random.chance(0.9)))
      else if (most > 0 && choice === 1) ops.push({ delete: most })
      else if (most > 0) ops.push(withAttributes({ retain: most }, choice === 2 ? attributes(random, false) : {}))
      left -= choice === 0 ? 0 : most
    }
    return { ops }
  },
  cursors: (random, s) => {
    const index = random.below(deltaLength(s.ops) + 1)
    return [{ index, length: random.below(deltaLength(s.ops) - index + 1), name: 'N' }]
  }
}

// JSON.
function value (random, depth) {
  const choice = random.below(depth > 0 ? 10 : 6)
  if (choice < 2) return random.pick([0, 1, -3, 2.5, 1e21, 7])
  if (choice < 4) return words(random, 3)
  if (choice === 4) return random.pick([true, false, null])
  if (choice === 5) return random.pick(['', 'z', 3])
  if (choice < 8) return Array.from({ length: random.below(4) }, () => value(random, depth - 1))
  return Object.fromEntries(Array.from({ length: random.below(4) }, () => [random.pick(keys), value(random, depth - 1)]))
}

const isObject = thing => thing !== null && typeof thing === 'object' && !Array.isArray(thing)

function walkTo (random, document) {
  const path = []
  let here = document
  while (here !== null && typeof here === 'object' && random.chance(0.75)) {
    const names = Array.isArray(here) ? here.map((_, i) => i) : Object.keys(here).filter(key => !key.startsWith('$'))
    if (names.length === 0) break
    const name = random.pick(names)
    path.push(name)
    here = here[name]
  }
  return { path, here }
}

// An edit of what the path leads to, or of its place in what holds it.
function edit (random, document) {
  const { path, here } = walkTo(random, document)
  const last = path[path.length - 1]
  if (typeof last === 'number' && random.chance(0.5)) return listEdit(random, document, path, here)
  if (typeof last === 'string' && random.chance(0.3)) {
    return random.chance(0.5)
      ? { p: path, od: here }
      : { p: path, od: here, oi: value(random, 1) }
  }
  if (typeof here === 'number') return { p: path, na: random.pick([1, -2, 0.5, 10]) }
  if (typeof here === 'string') return stringEdit(random, path, here)
  if (Array.isArray(here)) {
    const at = random.below(here.length + 1)
    return { p: [...path, at], li: value(random, 1) }
  }
  if (isObject(here)) return memberEdit(random, path, here)
  return path.length === 0 && random.chance(0.3) ? { p: [], od: here, oi: value(random, 2) } : null
}

function listEdit (random, document, path, here) {
  const list = path.slice(0, -1).reduce((holder, name) => holder[name], document)
  switch (random.below(5)) {
    case 0: return { p: path, ld: here }
    case 1: return { p: path, ld: here, li: value(random, 1) }
    case 2: return { p: path, li: value(random, 1) }
    default: return { p: path, lm: random.below(list.length) }
  }
}

function memberEdit (random, path, here) {
  const embedded = Object.keys(here).filter(key => key.startsWith('$'))
  if (embedded.length > 0 && random.chance(0.7)) {
    const key = random.pick(embedded)
    const kind = { $text: plain, $unicode: unicode, $rich: rich }[key]
    const name = { $text: 'text', $unicode: 'text-unicode', $rich: 'rich-text' }[key]
    return { p: [...path, key], t: name, o: kind.operation(random, here[key]) }
  }
  const free = keys.filter(key => !(key in here))
  return free.length > 0 ? { p: [...path, random.pick(free)], oi: value(random, 1) } : null
}

// Strings are edited in one of two ways; a case keeps to one, as the original does not transform one by the other.
function stringEdit (random, path, here) {
  const splice = text => {
    const at = random.below(text.length + 1)
    const cut = text.slice(at, at + 1 + random.below(4))
    return cut === '' || random.chance(0.5)
      ? { p: at, i: random.chance(0.97) ? someWords(random, 2) : '' }
      : { p: at, d: cut }
  }
  if (random.form > 0) {
    const { p, i, d } = splice(here)
    return i === undefined ? { p: [...path, p], sd: d } : { p: [...path, p], si: i }
  }
  const o = []
  for (let n = random.below(4); n > 0; n--) {
    const next = splice(here)
    here = here.slice(0, next.p) + (next.i ?? '') + here.slice(next.p + (next.d ?? '').length)
    o.push(next)
  }
  return { p: path, t: 'text0', o }
}

const json = {
  document (random) {
    if (random.chance(0.05)) return value(random, 2)
    if (random.chance(0.4)) return Array.from({ length: random.below(6) }, () => value(random, 2))
    const document = Object.fromEntries(keys.filter(() => random.chance(0.5)).map(key => [key, value(random, 2)]))
    if (random.chance(0.3)) {
      if (random.chance(0.6)) document.$text = plain.document(random)
      if (random.chance(0.6)) document.$unicode = unicode.document(random)
      if (random.chance(0.6)) document.$rich = rich.document(random)
    }
    return document
  },
  operation (random, document) {
    const op = []
    for (let i = random.below(5); i > 0; i--) {
      const component = edit(random, document)
      if (component === null) continue
      document = apply('json0', document, [component])
      op.push(clone(component))
    }
    return op
  }
}

const kinds = { json0: json, text: plain, 'text-unicode': unicode, 'rich-text': rich }
