/** What `readelf` of binutils says about files, in the shape of this project's reader: a second opinion, never used at run time. */
import { spawnSync } from 'node:child_process'
import { closeSync, lstatSync, openSync, readdirSync, readSync } from 'node:fs'
import { join } from 'node:path'
import type { ElfFile } from '../../src/elf/read.ts'

export type Opinion = Pick<ElfFile, 'interpreter' | 'soname' | 'needed' | 'runpath' | 'rpath' | 'requires' | 'provides'>

/** Files per call; their output together stays in one buffer. */
const BATCH = 40

/** What readelf says about each file, by its name. */
export function readelf(files: readonly string[]): Map<string, Opinion> {
  const opinions = new Map<string, Opinion>()
  for (let i = 0; i < files.length; i += BATCH) {
    const batch = files.slice(i, i + BATCH)
    // A file named twice, so that each one's output has its name on top even when there is one alone.
    const { stdout } = spawnSync('readelf', ['-W', '-l', '-d', '-V', '--dyn-syms', ...batch, '/dev/null'], {
      encoding: 'utf8',
      maxBuffer: 1024 ** 3,
      env: { ...process.env, LC_ALL: 'C.UTF-8' },
    })
    for (const part of stdout.split(/^File: /m).slice(1)) {
      const end = part.indexOf('\n')
      opinions.set(part.slice(0, end), opinionOf(part.slice(end + 1)))
    }
  }
  return opinions
}

function opinionOf(text: string): Opinion {
  const tagged = (tag: string): string[] =>
    [...text.matchAll(new RegExp(`\\(${tag}\\) .*?\\[(.*)\\]$`, 'gm'))].map((m) => m[1] ?? '')
  const folders = (tag: string): string[] => tagged(tag).flatMap((t) => (t === '' ? [] : t.split(':')))
  return {
    interpreter: /\[Requesting program interpreter: (.*)\]/.exec(text)?.[1],
    soname: tagged('SONAME')[0],
    needed: tagged('NEEDED'),
    runpath: folders('RUNPATH'),
    rpath: folders('RPATH'),
    requires: requiresOf(text),
    provides: [...section(text, 'definition').matchAll(/Rev: 1 .*Name: (\S+)$/gm)].map((m) => m[1] ?? ''),
  }
}

function section(text: string, kind: 'needs' | 'definition'): string {
  const start = text.search(new RegExp(`^Version ${kind} section`, 'm'))
  if (start === -1) return ''
  const end = text.slice(start).search(/\n\n/)
  return end === -1 ? text.slice(start) : text.slice(start, start + end)
}

function requiresOf(text: string): Opinion['requires'] {
  const symbols = new Map<string, string[]>()
  for (const [, name = '', index = ''] of text.matchAll(/^ +\d+: .* (\S+)@\S+ \((\d+)\)$/gm)) {
    symbols.set(index, [...(symbols.get(index) ?? []), name])
  }
  const found: { library: string; version: string; weak: boolean; symbols: string[] }[] = []
  let library = ''
  for (const line of section(text, 'needs').split('\n')) {
    library = /File: (\S+)/.exec(line)?.[1] ?? library
    const [, version = '', flags = '', index = ''] = /Name: (\S+) +Flags: (.*?) +Version: (\d+)/.exec(line) ?? []
    if (version !== '')
      found.push({ library, version, weak: flags.includes('WEAK'), symbols: symbols.get(index) ?? [] })
  }
  return found
}

/** ELF files directly in a folder, links left out, in the order of their names. */
export function elfFilesIn(folder: string): string[] {
  return readdirSync(folder)
    .toSorted()
    .map((name) => join(folder, name))
    .filter((file) => lstatSync(file).isFile() && startsLikeElf(file))
}

function startsLikeElf(file: string): boolean {
  const fd = openSync(file, 'r')
  try {
    const bytes = Buffer.alloc(4)
    readSync(fd, bytes, 0, 4, 0)
    return bytes.toString('latin1') === '\x7fELF'
  } finally {
    closeSync(fd)
  }
}
