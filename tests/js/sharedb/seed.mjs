// Where a test with chance in it gets it from: QUIRE_SEED, or a new seed, which is printed so that a failure can be played again.
import { Random } from '../yjs_random.mjs'

export function seeded (test) {
  const seed = Number(process.env.QUIRE_SEED ?? Math.floor(Math.random() * 2 ** 32))
  test.diagnostic(`QUIRE_SEED=${seed}`)
  return new Random(seed)
}
