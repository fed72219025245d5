/** Small packages around the generated scripts, packed by dpkg-deb itself, and what the tests ask about them in a Debian root. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { expect } from 'vitest'
import { maintainerScripts, type PackageFacts } from '../../src/deb/scripts.ts'
import { scriptDepends, systemFiles } from '../../src/deb/system-files.ts'
import { NODE } from '../support/cli.ts'
import type { DebianRoot } from '../support/debian-root.ts'

/** Files of the tree; enough for dpkg to need a while. */
export const PAGES = 400

export interface PackageOptions extends Partial<Omit<PackageFacts, 'package'>> {
  /** Debian version; default: `<release>-1`. */
  readonly version?: string
  /** Further files of the tree. */
  readonly files?: Readonly<Record<string, string>>
  /** Changes the scripts before they are packed: to see a test fail without a mechanism. */
  readonly change?: (name: string, text: string) => string
  readonly pages?: number
  /** Further fields of control. */
  /** Files of DEBIAN/ beside control and the scripts. */
  readonly control?: Readonly<Record<string, string>>
  readonly fields?: Readonly<Record<string, string>>
  /** Called with the folder before it is packed. */
  readonly prepare?: (tree: string) => void
}

/** Packs a .deb into `/debs` of the root; returns its path inside. */
export function makeDeb(root: DebianRoot, name: string, options: PackageOptions = {}): string {
  const { release = '1.0.0', pages = PAGES, version = `${release}-1` } = options
  const facts: PackageFacts = {
    package: name,
    release,
    hasTree: true,
    services: [],
    sysusers: undefined,
    tmpfiles: undefined,
    conffiles: [],
    custom: {},
    ...options,
  }
  const debs = join(root.path, 'debs')
  mkdirSync(debs, { recursive: true })
  const dir = mkdtempSync(join(debs, 'stage-'))
  const write = (path: string, content: string, mode = 0o644): void => {
    mkdirSync(dirname(join(dir, path)), { recursive: true })
    writeFileSync(join(dir, path), content, { mode })
  }
  if (facts.hasTree) {
    const tree = `opt/${name}/releases/${release}`
    write(`${tree}/VERSION`, `${version}\n`)
    for (let page = 0; page < pages; page++) write(`${tree}/pages/page ${page}.txt`, `${version} page ${page}\n`)
    for (const [path, content] of Object.entries(options.files ?? {})) write(`${tree}/${path}`, content, 0o755)
    options.prepare?.(join(dir, tree))
  }
  for (const { path, content, mode } of systemFiles(facts)) write(path, content, mode)
  for (const [script, text] of maintainerScripts(facts)) {
    write(`DEBIAN/${script}`, options.change?.(script, text) ?? text, 0o755)
  }
  for (const [file, text] of Object.entries(options.control ?? {})) {
    write(`DEBIAN/${file}`, text, file === 'config' ? 0o755 : 0o644)
  }
  const depends = scriptDepends(facts)
  const fields = {
    Package: name,
    Version: version,
    Architecture: 'all',
    Maintainer: 'T <t@example.org>',
    ...(depends.length > 0 ? { Depends: depends.join(', ') } : {}),
    ...options.fields,
    Description: 'a test',
  }
  write(
    'DEBIAN/control',
    Object.entries(fields)
      .map(([k, v]) => `${k}: ${v}\n`)
      .join(''),
  )
  const file = `${name}_${version}.deb`
  execFileSync('dpkg-deb', ['--root-owner-group', '-Znone', '--build', dir, join(debs, file)], { stdio: 'pipe' })
  rmSync(dir, { recursive: true })
  return `/debs/${file}`
}

/** Runs dpkg inside and expects its exit code. */
export async function dpkg(root: DebianRoot, args: readonly string[], code = 0): Promise<string> {
  const result = await root.run(['dpkg', ...args])
  const text = result.stdout + result.stderr
  expect({ code: result.code, text: result.code === code ? '' : text }).toEqual({ code, text: '' })
  return text
}

export interface Installed {
  /** As dpkg has it: `install ok installed 1.0.0-1`. */
  readonly status: () => Promise<string>
  /** What `current` leads to, as written; undefined when there is none. */
  readonly current: () => string | undefined
  /** Names in `/opt/<name>/releases`, sorted. */
  readonly releases: () => readonly string[]
  /** Content of a file through `current`. */
  readonly read: (path: string) => string
  /** Absolute path outside of the root. */
  readonly at: (path: string) => string
}

export function installed(root: DebianRoot, name: string): Installed {
  const at = (path: string): string => join(root.path, 'opt', name, path)
  return {
    status: async () => {
      const { stdout } = await root.run(['dpkg-query', '-W', '-f=${Status} ${Version}', name])
      return stdout.trim()
    },
    current: () => (lstatSync(at('current'), { throwIfNoEntry: false }) ? readlinkSync(at('current')) : undefined),
    releases: () => readdirSync(at('releases')).toSorted(),
    read: (path) => readFileSync(at(`current/${path}`), 'utf8'),
    at,
  }
}

export interface Seen {
  readonly looks: number
  readonly moved: number
  readonly targets: readonly string[]
  readonly versions: readonly string[]
  readonly faults: readonly string[]
}

/** Reads `current` of a package in a loop while `work` runs. */
export async function readDuring(folder: string, work: () => Promise<unknown>): Promise<Seen> {
  const reader = spawn(NODE, [join(import.meta.dirname, 'reader-child.ts'), folder, String(PAGES)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const chunks: Buffer[] = []
  reader.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
  await once(reader.stdout, 'data')
  try {
    await work()
  } finally {
    reader.stdin.end()
    await once(reader, 'close')
  }
  return JSON.parse(Buffer.concat(chunks).toString().trim().split('\n').at(-1) ?? '') as Seen
}
