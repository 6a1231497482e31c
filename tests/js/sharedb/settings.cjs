// What the tests are told about the server that they run against.
//
// QUIRE_SUITE_URL is where it listens. `projections` and `serves` are what the server must have been started with: the tests
// declare projections, and set a few settings of `Backend` that they may have only if the server has them anyway.
const { randomBytes } = require('node:crypto')

module.exports = {
  url: process.env.QUIRE_SUITE_URL,
  /** Workspaces of one run are not those of another one. */
  prefix: `suite-${randomBytes(4).toString('hex')}-`,
  /** Whether the queries are those of ShareDB's own test database, which sorts. */
  sorts: process.env.QUIRE_SUITE_SORTS === 'true',
  serves: { doNotCommitNoOps: false },
  projections: {
    dogs_summary: { collection: 'dogs', fields: ['age', 'owner'] },
    bookTitles: { collection: 'books', fields: ['title'] }
  }
}
