/**
 * Gathers the licence texts of the packages whose code ends up in the bundles, and writes them beside the bundles as
 * `licenses.txt`, as the licences ask. A package whose licence is not on the permissive list fails the build.
 */
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Plugin } from 'vite'

const PERMISSIVE = new Set(['MIT', 'ISC', '0BSD', 'BSD-2-Clause', 'BSD-3-Clause', 'Apache-2.0'])
const RULE = '-'.repeat(78)

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
  const file = readdirSync(folder).find((candidate) => /^licen[cs]e/i.test(candidate))
  if (file === undefined) throw new Error(`${name} ${version} carries no licence text`)
  return `${name} ${version} (${license})\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`
}
