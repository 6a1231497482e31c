/**
 * Gathers the licence texts of the packages whose code ends up in the bundles, and writes them beside the bundles as
 * `licenses.txt`, as the licences ask. A package whose licence is not on the permissive list fails the build. A few
 * packages say in their README only what the licence is, or name it and no more; then its standard text is written.
 */
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Plugin } from 'vite'

const PERMISSIVE = new Set(['MIT', 'ISC', '0BSD', 'BSD-2-Clause', 'BSD-3-Clause', 'Apache-2.0', 'MIT/X11', 'Unlicense'])
const RULE = '-'.repeat(78)

/** The MIT licence as the Open Source Initiative prints it, for packages that name it, and their author, in their manifest only. */
const STANDARD_TEXTS: Record<string, string> = { hat: mit('James Halliday') }

function mit(holder: string): string {
  return `Copyright ${holder}

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation files (the “Software”), to deal in the Software without restriction, including without limitation the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED “AS IS”, WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.`
}

export function licenses(): Plugin {
  return {
    name: 'licenses',
    apply: 'build',
    generateBundle() {
      const folders = new Set([...this.getModuleIds()].map(packageFolder).filter((folder) => folder !== undefined))
      const entries = [...folders].map(entry).sort()
      this.emitFile({ type: 'asset', fileName: 'licenses.txt', source: entries.join(`\n${RULE}\n\n`) })
    },
  }
}

/** The folder of the package that a bundled module belongs to; none for our own modules. */
function packageFolder(moduleId: string): string | undefined {
  return /^\0?(.*\/node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(moduleId)?.[1]
}

function entry(folder: string): string {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  if (!PERMISSIVE.has(license)) throw new Error(`${name} ${version} has licence ${license}, which is not on the list`)
  return `${name} ${version} (${license})\n\n${textIn(folder) ?? STANDARD_TEXTS[name] ?? fail(`${name} ${version} carries no licence text`)}\n`
}

function textIn(folder: string): string | undefined {
  const files = readdirSync(folder)
  const own = files.find((file) => /^licen[cs]e/i.test(file))
  if (own !== undefined) return readFileSync(join(folder, own), 'utf8').trim()
  const readme = files.find((file) => /^readme/i.test(file))
  if (readme === undefined) return undefined
  return /^#+ Licen[cs]e\n+([^#]*Permission is hereby granted[^#]*)/m.exec(readFileSync(join(folder, readme), 'utf8'))?.[1]?.trim()
}

function fail(reason: string): never {
  throw new Error(reason)
}
