/**
 * An application of somebody else, as the browser sees it: pages with unmodified packages from the registry, bundled as an
 * application's build would do it, from an origin of its own. Each script in `pages/` is a page; what it exports is
 * `window.example` there, for tests to ask. A page may be had with any of three versions of the Hocuspocus provider.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'

const PROVIDERS = { 2: 'hocuspocus-provider-2', 3: 'hocuspocus-provider-3', 4: '@hocuspocus/provider' }
export const VERSIONS = Object.keys(PROVIDERS)

export class Application {
  static async start() {
    const application = new Application()
    application.server.listen(0, '127.0.0.1')
    await once(application.server, 'listening')
    return application
  }

  constructor() {
    this.bundles = new Map()
    this.server = createServer((request, response) => {
      this.#answer(request, response).catch((error) => response.writeHead(500).end(String(error)))
    })
  }

  /** Where a page is, with a version of the provider and what the page is told. */
  address(page, version = 4, told = {}) {
    return `http://127.0.0.1:${this.server.address().port}/${version}/${page}?${new URLSearchParams(told)}`
  }

  stop() {
    this.server.closeAllConnections()
    this.server.close()
  }

  async #answer(request, response) {
    const [, version, file] = new URL(request.url, 'http://localhost').pathname.split('/')
    const [page, isScript] = [file.replace(/\.js$/, ''), file.endsWith('.js')]
    response.setHeader('Content-Type', isScript ? 'text/javascript' : 'text/html; charset=utf-8')
    response.end(isScript ? await this.#bundle(version, page) : markup(version, page))
  }

  #bundle(version, page) {
    const key = `${version}/${page}`
    if (!this.bundles.has(key)) this.bundles.set(key, bundle(page, PROVIDERS[version]))
    return this.bundles.get(key)
  }
}

async function bundle(page, provider) {
  const input = fileURLToPath(new URL(`pages/${page}.js`, import.meta.url))
  const build = await rolldown({ input, platform: 'browser', resolve: { alias: { '@hocuspocus/provider': provider } } })
  const { output } = await build.generate({ format: 'esm', codeSplitting: false })
  await build.close()
  return output[0].code
}

function markup(version, page) {
  return `<!doctype html><title>${page}</title><link rel="icon" href="data:,">
<div class="title"></div><div class="element"></div>
<script type="module">import * as example from '/${version}/${page}.js'; window.example = example</script>`
}
