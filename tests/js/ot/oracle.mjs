// Prints cases and what the npm originals make of them, a line of JSON each.
//
//   node oracle.mjs --type json0 --first 1 --count 1000     random cases, a seed each
//   node oracle.mjs --loose --first 1 --count 1000          random cases with values that are not in the document
//   node oracle.mjs --small 2 1 3                           all cases for lists: components of a and b, longest list

import { once } from 'node:events'
import { looseCase, randomCase } from './random.mjs'
import { smallCases } from './small.mjs'
import { answer } from './types.mjs'

const argument = (name, place = 1) => process.argv[process.argv.indexOf(name) + place]

function * answers () {
  if (process.argv.includes('--small')) {
    const [sizeOfA, sizeOfB, lengthMax] = [1, 2, 3].map(place => Number(argument('--small', place)))
    for (const small of smallCases(sizeOfA, sizeOfB, lengthMax)) yield answer('json0', small)
    return
  }
  const first = Number(argument('--first'))
  for (let seed = first; seed < first + Number(argument('--count')); seed++) {
    if (process.argv.includes('--loose')) {
      yield { seed, loose: true, ...answer('json0', looseCase(seed)) }
      continue
    }
    const name = argument('--type')
    yield { seed, ...answer(name, randomCase(name, seed)) }
  }
}

let lines = ''
for (const line of answers()) {
  lines += JSON.stringify(line) + '\n'
  if (lines.length < 1 << 16) continue
  if (!process.stdout.write(lines)) await once(process.stdout, 'drain')
  lines = ''
}
process.stdout.write(lines)
