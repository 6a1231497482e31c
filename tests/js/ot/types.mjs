// The npm originals, and what they make of a case.
//
// A case is a document and operations on it: `a` and `b` on the document, `c` on what `a` leaves. `answer` adds what the
// original says to it, under the names that the comparing side knows:
//
//   al ar  a after b, as left and as right       za  the document after a, then b as right
//   bl br  b after a                              zb  the document after b, then a as left
//   k  kz  a and c composed, and its document    zc  the document after a, then c
//   i  iz  what undoes a, and its document       u   cursors after a: [cursor, own, result] each
//
// A document that was removed whole is null. Where an original throws, the answer is {"error": message}.

import { createRequire } from 'node:module'
import Delta5 from 'quill-delta'

const require = createRequire(import.meta.url)
const json0 = require('ot-json0').type
const text = require('ot-text').type ?? require('ot-text')
const unicode = require('ot-text-unicode').type
const richText = require('rich-text').type
const Delta4 = require('rich-text').Delta

for (const subtype of [text, unicode, richText]) json0.registerSubtype(subtype)

export const clone = value => value === undefined ? undefined : JSON.parse(JSON.stringify(value))

const types = {
  json0: { ...json0, invertOver: op => json0.invert(op) },
  text: { ...text, cursor: (cursor, op, own) => text.transformSelection(cursor, op, own) },
  'text-unicode': {
    ...unicode,
    invertOver: (op, before) => unicode.invertWithDoc(op, before),
    cursor: (cursor, op) => unicode.transformSelection(cursor, op)
  },
  'rich-text': {
    create: data => new Delta4(data),
    apply: (snapshot, op) => richText.apply(snapshot, op),
    compose: (a, c) => richText.compose(a, c),
    transform: (a, b, side) => richText.transform(a, b, side),
    invertOver: (op, before) => new Delta4(op).invert(new Delta4(before)),
    cursor: (cursor, op, own) => richText.transformPresence(cursor, op, own)
  },
  // The same type over the newer delta, which Quill 2 has.
  'rich-text-5': {
    create: data => new Delta5(data),
    apply: (snapshot, op) => new Delta5(snapshot).compose(new Delta5(op)),
    compose: (a, c) => new Delta5(a).compose(new Delta5(c)),
    transform: (a, b, side) => new Delta5(b).transform(new Delta5(a), side === 'left'),
    invertOver: (op, before) => new Delta5(op).invert(new Delta5(before)),
    cursor: (cursor, op, own) => ({
      ...cursor,
      index: new Delta5(op).transformPosition(cursor.index, !own),
      length: new Delta5(op).transformPosition(cursor.index + cursor.length, !own) -
        new Delta5(op).transformPosition(cursor.index, !own)
    })
  }
}

export const uri = name => ({ json0, text, 'text-unicode': unicode, 'rich-text': richText })[name].uri

// What a document is after an operation; the operation may be kept, so nothing of it is shared.
export function apply (name, snapshot, op) {
  return clone(types[name].apply(clone(snapshot), clone(op)))
}

export function answer (name, { s, a, b, c, u = [] }) {
  const type = types[name]
  const say = work => {
    try {
      return clone(work()) ?? null
    } catch (error) {
      return { error: String(error.message) }
    }
  }
  const transform = (one, other, side) => say(() => type.transform(clone(one), clone(other), side))
  const play = (...ops) => say(() => ops.reduce((document, op) => apply(name, document, op), clone(s)))
  const said = { t: name.replace('-5', ''), s, a, b }
  said.al = transform(a, b, 'left')
  said.ar = transform(a, b, 'right')
  said.bl = transform(b, a, 'left')
  said.br = transform(b, a, 'right')
  said.za = play(a, said.br)
  said.zb = play(b, said.al)
  if (c !== undefined) {
    said.c = c
    said.zc = play(a, c)
    said.k = say(() => type.compose(clone(a), clone(c)))
    said.kz = play(said.k)
  }
  if (type.invertOver) {
    said.i = say(() => type.invertOver(clone(a), clone(s)))
    said.iz = said.i.error === undefined ? play(a, said.i) : said.i
  }
  if (type.cursor) {
    said.u = u.flatMap(cursor => [true, false].map(own => [cursor, own, say(() => type.cursor(clone(cursor), clone(a), own))]))
  }
  return said
}
