// Writes the kept cases that `cargo test` compares without Node (engine/tests/ot/vectors), or checks that the originals
// still make the same of them.
//
//   node record.mjs            writes
//   node record.mjs --check    fails where a file differs

import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { stateHash } from './hash.mjs'
import { randomCase } from './random.mjs'
import { smallCases } from './small.mjs'
import { answer, uri } from './types.mjs'

const directory = new URL('../../../engine/tests/ot/vectors/', import.meta.url)
const seeds = { json0: 120, text: 120, 'text-unicode': 120, 'rich-text': 60 }

function * random (name) {
  for (let seed = 1; seed <= seeds[name]; seed++) yield { seed, ...answer(name, randomCase(name, seed)) }
}

// All pairs of single edits of lists of up to two items, and of three numbers.
function * lists () {
  for (const small of smallCases(1, 1, 3)) {
    const isKept = small.s.length < 3 || small.s.every(Number.isInteger)
    if (isKept && !JSON.stringify(small).includes('"na"')) yield answer('json0', small)
  }
}

// What is there after the random cases, and its hash.
function * hashes () {
  yield { t: null, s: null, h: stateHash(null, null) }
  for (const name of Object.keys(seeds)) {
    for (const { za } of random(name)) {
      if (za?.error === undefined) yield { t: uri(name), s: za, h: stateHash(uri(name), za) }
    }
  }
}

async function keep (name, cases) {
  const file = new URL(`${name}.jsonl`, directory)
  const text = [...cases].map(line => JSON.stringify(line) + '\n').join('')
  if (!process.argv.includes('--check')) return writeFile(file, text)
  if (await readFile(file, 'utf8') === text) return
  console.error(`${file.pathname} differs from what the originals make`)
  process.exitCode = 1
}

await mkdir(directory, { recursive: true })
for (const name of Object.keys(seeds)) await keep(name, random(name))
await keep('json0-lists', lists())
await keep('hashes', hashes())
