// The stand-in as ShareDB's tests import it.
module.exports = require('./backend.cjs').Backend
