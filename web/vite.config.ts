/**
 * Build and development settings. The build writes file names without hashes into the folder that the server embeds, so
 * that a rebuild of unchanged sources changes no byte; `?v=` and the server's ETag take care of caches instead.
 * While developing, everything but the pages themselves is asked from a running server (`QUIRE_URL`).
 */
import { fileURLToPath } from 'node:url'
import { defineConfig, type Plugin } from 'vite'
import { licenses } from './licenses.ts'

const server = process.env.QUIRE_URL ?? 'http://127.0.0.1:1234'
const fromHere = (path: string) => fileURLToPath(new URL(path, import.meta.url))

export default defineConfig(({ command }) => ({
  base: command === 'build' ? '/assets/' : '/',
  plugins: [pagePaths(), licenses()],
  build: {
    outDir: fromHere('../server/assets'),
    emptyOutDir: true,
    target: 'es2022',
    modulePreload: false,
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    rolldownOptions: {
      input: { index: fromHere('index.html'), edit: fromHere('edit.html'), write: fromHere('write.html') },
      output: {
        entryFileNames: '[name].js',
        chunkFileNames: '[name].js',
        assetFileNames: '[name][extname]',
        // What the landing page shares stays small: what only the editors have in common is a file of its own.
        codeSplitting: {
          groups: [
            { name: 'yjs', test: /node_modules[\\/](yjs|lib0|y-protocols)[\\/]/, minShareCount: 2, priority: 2 },
            { name: 'shared', minShareCount: 3, priority: 1 },
            { name: 'desk', minShareCount: 2 },
          ],
        },
      },
    },
  },
  server: {
    proxy: {
      '/api': server,
      '/version': server,
      '/yjs': { target: server, ws: true },
      '/hocuspocus': { target: server, ws: true },
    },
  },
}))

/** The server answers `/edit` with `edit.html` and `/write` with `write.html`; so does the development server. */
function pagePaths(): Plugin {
  return {
    name: 'page-paths',
    configureServer(dev) {
      dev.middlewares.use((request, _response, next) => {
        request.url = request.url?.replace(/^\/(edit|write)(?=\?|$)/, '/$1.html')
        next()
      })
    },
  }
}
