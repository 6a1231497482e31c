// The unmodified ShareDB client, with the types that Quire has; types within JSON are registered as its editors do.
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)
const client = require('sharedb/lib/client')
const { logger } = require('sharedb')

export const { Connection, types } = client
export const LegacyConnection = require('sharedb-legacy/lib/client').Connection

for (const name of ['rich-text', 'ot-text', 'ot-text-unicode']) {
  types.register(require(name).type)
  types.defaultType.registerSubtype(require(name).type)
}
logger.setMethods({ info () {}, warn () {}, error () {} })
