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

/** The sources that the landing page has in common with others, and its style. */
const ON_LANDING_PAGE = /[\\/](src[\\/](access|api|dom|names|signin|times|token|views)\.ts|base\.css)$/

/** The editor that two pages have, and what we have around it. */
const CODEMIRROR = /node_modules[\\/](@codemirror|@marijn|style-mod|crelt)[\\/]/
const EDITOR = /[\\/]src[\\/](editor|cursors)\.ts$/

/** The pages around a document; the server answers `/NAME` with `NAME.html`. */
const PAGES = ['edit', 'write', 'quill', 'form', 'board']

export default defineConfig(({ command }) => ({
  base: command === 'build' ? '/assets/' : '/',
  plugins: [pagePaths(), licenses()],
  // What else it has makes code out of text, which the pages' policy refuses.
  resolve: { alias: { 'cbor-x': 'cbor-x/index-no-eval' } },
  build: {
    outDir: fromHere('../server/assets'),
    emptyOutDir: true,
    target: 'es2022',
    modulePreload: false,
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    rolldownOptions: {
      input: Object.fromEntries(['index', ...PAGES].map((page) => [page, fromHere(`${page}.html`)])),
      output: {
        entryFileNames: '[name].js',
        chunkFileNames: '[name].js',
        assetFileNames: '[name][extname]',
        // What the landing page shares stays small: what only the editors have in common is a file of its own.
        codeSplitting: {
          groups: [
            { name: 'yjs', test: /node_modules[\\/](yjs|lib0|y-protocols)[\\/]/, minShareCount: 2, priority: 4 },
            { name: 'sharedb', test: /node_modules[\\/](sharedb|ot-json0|async|events|fast-deep-equal|hat)[\\/]/, minShareCount: 2, priority: 4 },
            // Tiptap has this of CodeMirror and nothing else.
            { name: 'keys', test: /node_modules[\\/]w3c-keyname[\\/]/, minShareCount: 2, priority: 5 },
            { name: 'codemirror', test: CODEMIRROR, minShareCount: 2, priority: 4 },
            { name: 'shared', test: ON_LANDING_PAGE, minShareCount: 2, priority: 3 },
            { name: 'desk', minShareCount: 3, priority: 2 },
            { name: 'editor', test: EDITOR, minShareCount: 2, priority: 1 },
            { name: 'sharing', minShareCount: 2 },
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
      '/sharedb': { target: server, ws: true },
      '/automerge': { target: server, ws: true },
    },
  },
}))

/** The development server answers as the server does. */
function pagePaths(): Plugin {
  return {
    name: 'page-paths',
    configureServer(dev) {
      dev.middlewares.use((request, _response, next) => {
        request.url = request.url?.replace(new RegExp(`^/(${PAGES.join('|')})(?=\\?|$)`), '/$1.html')
        next()
      })
    },
  }
}
