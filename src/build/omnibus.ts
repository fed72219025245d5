/** What an omnibus tree says of itself: `version-manifest.json` and `.txt`, in the form that omnibus packages have them. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { MadePart } from '../components/part.ts'
import type { HostNeeds } from './linkage.ts'

export interface OmnibusFacts {
  readonly name: string
  readonly version: string
  readonly commit: string | undefined
  readonly license: string | undefined
  readonly needs: HostNeeds | undefined
}

/** Writes both files into the tree and returns their paths. The same parts give the same text. */
export function writeVersionManifest(root: string, facts: OmnibusFacts, parts: readonly MadePart[]): readonly string[] {
  const software = parts.filter((p) => p.node.role === 'component').toSorted((a, b) => (a.name < b.name ? -1 : 1))
  const json = {
    manifest_format: 2,
    build_version: facts.version,
    build_git_revision: facts.commit ?? null,
    license: facts.license ?? null,
    ...(facts.needs && { host: { glibc: facts.needs.glibc?.version ?? null, libraries: facts.needs.libraries } }),
    software: Object.fromEntries(software.map((part) => [part.name, softwareEntry(part)])),
  }
  const rows = software.map((part) => [part.name, part.version, guidOf(part)])
  const titles = ['Component', 'Installed Version', 'Version GUID']
  const widths = titles.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)))
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd()
  const rule = '-'.repeat(widths.reduce((sum, w) => sum + w, 0) + 2 * (widths.length - 1))
  const text = [`${facts.name} ${facts.version}`, '', line(titles), rule, ...rows.map(line), ''].join('\n')
  const files = { 'version-manifest.json': `${JSON.stringify(json, null, 2)}\n`, 'version-manifest.txt': text }
  for (const [name, content] of Object.entries(files)) writeFileSync(join(root, name), content, { flag: 'wx' })
  return Object.keys(files)
}

function softwareEntry(part: MadePart) {
  const [first] = part.resolved
  return {
    locked_version: first?.digest ?? null,
    locked_source: first?.source ?? null,
    source_type: first ? Object.keys(first.source)[0] : 'none',
    described_version: part.version,
    license: part.license ?? null,
  }
}

/** Which bytes a part was made from: a digest of its sources. */
function guidOf({ resolved: [first], key }: MadePart): string {
  if (!first) return `recipe:${key.slice(0, 40)}`
  const kind = Object.keys(first.source)[0] ?? ''
  if (kind === 'git') return `git:${first.digest}`
  return `${kind}:${
    first.digest
      .replace(/^sha512-/, '')
      .slice(0, 64)
      .split(' ')[0] ?? ''
  }`
}
