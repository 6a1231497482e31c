/** Waiting by condition: tests say what they wait for, and never how long it ought to take. */

const PATIENCE_MS = 20_000
const LOOK_EVERY_MS = 40

/** Resolves with the first truthy answer; gives up, saying what was missing, after far longer than it should take. */
export async function until(condition, what) {
  const deadline = Date.now() + PATIENCE_MS
  for (;;) {
    const answer = await condition()
    if (answer) return answer
    if (Date.now() > deadline) throw new Error(`waited ${PATIENCE_MS} ms in vain until ${what}`)
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
  }
}

/** Resolves when a look shows what is wanted; gives up, saying what was seen last. */
export async function untilIt(look, wanted, what) {
  let seen
  const same = async () => (seen = await look()) === wanted
  await until(same, what).catch((error) => {
    throw new Error(`${error.message}: ${JSON.stringify(seen)} instead of ${JSON.stringify(wanted)}`)
  })
}
