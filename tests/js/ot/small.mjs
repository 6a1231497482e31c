// Every case of a small world: all edits of lists of up to three items, alone or two after each other, against all others.

import { apply, clone } from './types.mjs'

// All single components that fit a list, and what is in it.
function components (list) {
  const all = []
  for (let at = 0; at <= list.length; at++) all.push({ p: [at], li: 'n' })
  list.forEach((item, at) => {
    all.push({ p: [at], ld: item }, { p: [at], ld: item, li: 'm' })
    for (let to = 0; to < list.length; to++) all.push({ p: [at], lm: to })
    all.push(...inside(item).map(component => ({ ...component, p: [at, ...component.p] })))
  })
  return all
}

function inside (item) {
  if (typeof item === 'number') return [{ p: [], na: 1 }]
  if (typeof item === 'string') return item === '' ? [{ p: [0], si: 'x' }] : [{ p: [0], si: 'x' }, { p: [1], si: 'x' }, { p: [0], sd: item }]
  if (Array.isArray(item)) return [{ p: [0], li: 'n' }, ...item.flatMap((_, at) => [{ p: [at], ld: item[at] }])]
  const members = Object.keys(item).flatMap(key => [{ p: [key], od: item[key] }, { p: [key], od: item[key], oi: 'o' }])
  return [{ p: ['k'], oi: 'n' }, { p: ['k'], oi: 'm' }, ...members].filter(({ p, od }) => od !== undefined || !(p[0] in item))
}

const lists = [[], [1], ['s'], [['l']], [{ m: 1 }], [{}], [1, 's'], [['l'], { m: 1 }], [1, 's', ['l']], [{ m: 1 }, 2, 't'], [1, 2, 3]]

function * operations (list, size) {
  if (size === 0) return yield []
  for (const op of operations(list, size - 1)) {
    for (const component of components(apply('json0', list, op))) yield [...op, component]
  }
}

// The cases for operations of so many components.
export function * smallCases (sizeOfA, sizeOfB, lengthMax) {
  for (const list of lists.filter(list => list.length <= lengthMax)) {
    const others = [...operations(list, sizeOfB)]
    for (const a of operations(list, sizeOfA)) {
      for (const b of others) yield { s: clone(list), a: clone(a), b: clone(b) }
    }
  }
}
