// Hocuspocus as its documentation starts it: PORT on the loopback, and with DATABASE a file that the SQLite extension keeps.
import { SQLite } from '@hocuspocus/extension-sqlite'
import { Server } from '@hocuspocus/server'

const { PORT, DATABASE } = process.env
const extensions = DATABASE ? [new SQLite({ database: DATABASE })] : []

await new Server({ address: '127.0.0.1', port: Number(PORT), quiet: true, extensions }).listen()
