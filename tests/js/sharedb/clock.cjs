// The clock of the tests that fetch by time. They let days pass by telling a false clock; the server has the true one. So a
// day is what passes between two ticks, and a time that is asked for becomes the true end of the day that it lies in.
const PAUSE_MS = 5

let ticks = []

/** Begins anew, at a false time. */
function start (falseNow) {
  ticks = [{ said: falseNow, meant: Date.now() }]
  return { tick }
}

// The pauses keep what comes before a tick and what comes after it in different milliseconds.
function tick (ms) {
  pause()
  ticks.push({ said: ticks.at(-1).said + ms, meant: Date.now() })
  pause()
}

/** What the server calls the time that the tests call `said`. */
function real (said) {
  if (typeof said !== 'number' || ticks.length === 0) return said
  const next = ticks.find(mark => mark.said > said)
  return next ? next.meant - 1 : Date.now() + 60_000
}

function pause () {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS)
}

module.exports = { start, real }
