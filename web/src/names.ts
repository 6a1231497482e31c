/**
 * Friendly random names: for documents (`amber-margin-37`) and for people who have not said theirs (`Gentle Heron`).
 * The source of chance is an argument, so that tests can hold it still.
 */

export type Chance = () => number

const QUALITIES = [
  'amber', 'brisk', 'candid', 'clear', 'early', 'evening', 'gentle', 'golden', 'hidden', 'honest', 'kind', 'late', 'lively',
  'lucid', 'mellow', 'patient', 'plain', 'quiet', 'rare', 'silver', 'slow', 'spare', 'steady', 'warm',
]
const LEAVES = [
  'almanac', 'atlas', 'chapter', 'draft', 'essay', 'fable', 'folio', 'garden', 'harbour', 'ledger', 'letter', 'margin',
  'meadow', 'memoir', 'notebook', 'page', 'preface', 'ribbon', 'river', 'script', 'sonnet', 'stanza', 'story', 'vellum',
]
const BIRDS = [
  'Avocet', 'Bunting', 'Crane', 'Curlew', 'Dipper', 'Finch', 'Heron', 'Ibis', 'Jay', 'Kestrel', 'Lark', 'Linnet',
  'Magpie', 'Nuthatch', 'Osprey', 'Owl', 'Plover', 'Robin', 'Sandpiper', 'Siskin', 'Swift', 'Tern', 'Thrush', 'Wren',
]

export function documentName(chance: Chance = Math.random): string {
  const number = 10 + Math.floor(chance() * 90)
  return `${pick(QUALITIES, chance)}-${pick(LEAVES, chance)}-${number}`
}

export function personName(chance: Chance = Math.random): string {
  const quality = pick(QUALITIES, chance)
  return `${quality.charAt(0).toUpperCase()}${quality.slice(1)} ${pick(BIRDS, chance)}`
}

/** Why a document cannot have this name, in plain words; null when it can. */
export function nameProblem(name: string): string | null {
  if (name.trim() === '') return 'A document needs a name.'
  if (/[\u0000-\u001f\u007f-\u009f]/.test(name)) return 'A name cannot hold control characters.'
  if (name === '.' || name === '..') return 'A name of dots alone cannot be part of an address.'
  return null
}

function pick(words: readonly string[], chance: Chance): string {
  return words[Math.floor(chance() * words.length)] ?? words[0]!
}
