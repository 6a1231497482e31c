// What a test needs that only the inside of a server has. Such a test is skipped, by itself and with the reason: no list to keep.
const reasons = new Map()
let runner = null

/** Says who runs the tests, so that the one that asks can be skipped. */
function watch (mochaRunner) {
  runner = mochaRunner
}

/** Skips the test that runs; nothing after the call happens. */
function needs (what) {
  const running = runner.currentRunnable
  const test = running.ctx.currentTest ?? running
  if (!reasons.has(test)) reasons.set(test, what)
  running.skip()
}

/** Why a test was skipped, if it was skipped here. */
function reason (test) {
  return reasons.get(test)
}

module.exports = { needs, reason, watch }
