// The suites that ShareDB's tests of databases run with each database, here with each server.
const { Backend } = require('./backend.cjs')
const { test } = require('./load.cjs')
const { needs } = require('./needs.cjs')
const settings = require('./settings.cjs')

describe('db', () => {
  beforeEach(function () {
    this.backend = new Backend()
  })

  for (const name of ['query-subscribe', 'query', 'projections']) require(test(`client/${name}`))({ getQuery })
  for (const name of ['submit', 'submit-json1', 'subscribe']) require(test(`client/${name}`))()
})

function getQuery ({ query, sort }) {
  if (settings.sorts) return { filter: query, sort }
  return sort ? needs('queries that sort') : query ?? {}
}
