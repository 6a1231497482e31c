// Has ShareDB's tests, which are run where npm put them, find the stand-ins where they look for the inside of a server.
const Module = require('node:module')
const path = require('node:path')
const clock = require('./clock.cjs')
const { needs } = require('./needs.cjs')

const SHAREDB = path.dirname(require.resolve('sharedb/package.json'))
const TESTS = path.join(SHAREDB, 'test')
const resolve = Module._resolveFilename

Module._resolveFilename = function (request, parent, ...rest) {
  const byTest = parent?.filename?.startsWith(TESTS)
  // A version that only Git has, of which the tests need the name until they put it into the server.
  if (byTest && request === 'ot-json0-v2') request = 'ot-json0'
  const found = resolve.call(this, request, parent, ...rest)
  return byTest && found === path.join(SHAREDB, 'lib', 'backend.js') ? path.join(__dirname, 'backend_only.cjs') : found
}

require(path.join(TESTS, 'util')).useFakeTimers = now => {
  if (typeof now !== 'number') needs('the timers of the server')
  return clock.start(now)
}

module.exports = { test: name => path.join(TESTS, name) }
