// Waiting by condition: a test says what it waits for, and never how long that ought to take.

const PATIENCE_MS = 30_000
const LOOK_EVERY_MS = 20

/** Resolves with the first truthy answer; gives up, saying what did not come, after far longer than it should take. */
export async function until (what, condition) {
  const deadline = Date.now() + PATIENCE_MS
  for (;;) {
    const answer = await condition()
    if (answer) return answer
    if (Date.now() > deadline) throw new Error(`waited ${PATIENCE_MS} ms in vain until ${what}`)
    await new Promise(resolve => setTimeout(resolve, LOOK_EVERY_MS))
  }
}
