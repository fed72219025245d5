/** Trees of really compiled programs and libraries, by gcc and the binutils of this machine. */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { describe } from 'vitest'
import { checkLibraries, type CheckOptions, type LibraryReport } from '../../src/elf/check.ts'
import { walkTree } from '../../src/tree/walk.ts'

const has = (program: string): boolean => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0

/** Skipped as a whole, by name, where nothing can be compiled (tools/preflight.js installs the parts). */
export const describeCompiled = describe.skipIf(!has('gcc') || !has('readelf') || !existsSync('/usr/include/stdio.h'))
/** With patchelf as well. */
export const describePatched = describe.skipIf(!has('gcc') || !has('patchelf') || !has('ldd'))
export const describeBigEndian = describe.skipIf(!has('s390x-linux-gnu-ld'))

interface Build {
  /** C source; without it one function named by the file. */
  readonly code?: string
  readonly soname?: string
  /** Files of the tree to link with, needed even when nothing of them is used. */
  readonly needs?: readonly string[]
  readonly runpath?: string
  readonly rpath?: string
  readonly args?: readonly string[]
}

export interface CompiledTree {
  readonly root: string
  library(path: string, build?: Build): string
  program(path: string, build?: Build): string
  write(path: string, content: string | Uint8Array, mode?: number): string
  link(path: string, target: string): void
  check(options?: Partial<CheckOptions>): Promise<LibraryReport>
  /** `path problem` of each finding. */
  problems(options?: Partial<CheckOptions>): Promise<string[]>
  readonly remove: () => void
}

export function compiledTree(): CompiledTree {
  const root = mkdtempSync(join(tmpdir(), 'ship-elf-test-'))
  const place = (path: string): string => {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    return join(root, path)
  }
  const gcc = (path: string, kind: readonly string[], build: Build, code: string): string => {
    const paths = build.rpath ?? build.runpath
    const tags = build.rpath === undefined ? '--enable-new-dtags' : '--disable-new-dtags'
    const args = [
      ...'-x c - -x none -Wl,--no-as-needed -Wl,--allow-shlib-undefined -o'.split(' '),
      place(path),
      ...kind,
      ...(build.needs ?? []).map((need) => join(root, need)),
      ...(build.soname === undefined ? [] : [`-Wl,-soname,${build.soname}`]),
      ...(paths === undefined ? [] : [`-Wl,${tags},-rpath,${paths}`]),
      ...(build.args ?? []),
    ]
    execFileSync('gcc', args, { input: build.code ?? code, stdio: ['pipe', 'ignore', 'inherit'] })
    return join(root, path)
  }
  const check = async (options: Partial<CheckOptions> = {}): Promise<LibraryReport> => {
    const entries = await walkTree(root, { signal: new AbortController().signal })
    const defaults = { targets: [], systemLibraries: [], cpu: process.arch, componentOf: () => undefined, allow: [] }
    return checkLibraries(root, entries, { ...defaults, ...options })
  }
  return {
    root,
    library: (path, build = {}) => {
      const symbol = basename(path).replaceAll(/\W/g, '_')
      return gcc(path, ['-shared', '-fPIC'], { soname: basename(path), ...build }, `int ${symbol}(void) { return 1; }`)
    },
    program: (path, build = {}) => gcc(path, [], build, 'int main(void) { return 0; }'),
    write: (path, content, mode = 0o644) => {
      writeFileSync(place(path), content, { mode })
      return join(root, path)
    },
    link: (path, target) => symlinkSync(target, place(path)),
    check,
    problems: async (options) => (await check(options)).findings.map((f) => `${f.path} ${f.problem}`),
    remove: () => rmSync(root, { recursive: true, force: true }),
  }
}

/** A library without any real libc that has `symbol` in `version`, to link with in place of a newer one than this machine has. */
export function versionedStub(tree: CompiledTree, path: string, version: string, symbol = 'ship_symbol'): string {
  const script = tree.write('stub.map', `${version} { global: ${symbol}; };\n`)
  tree.library(path, {
    code: `int ${symbol}(void) { return 1; }`,
    args: ['-nostdlib', `-Wl,--version-script=${script}`],
  })
  rmSync(script)
  return path
}

/** A file without its table of sections, as sstrip leaves it. */
export function withoutSections(file: string): Buffer {
  const bytes = readFileSync(file)
  const wide = bytes[4] === 2
  bytes.fill(0, wide ? 40 : 32, wide ? 48 : 36)
  bytes.fill(0, wide ? 58 : 46, wide ? 64 : 52)
  return bytes
}
