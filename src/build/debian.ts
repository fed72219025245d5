/** Debian's binary packages as recipes use them: their files put into `embedded/`, their programs taught to find their libraries there. */
import { chmodSync, cpSync, existsSync, lstatSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { readElf } from '../elf/read.ts'
import type { BuildStep, Component } from '../recipe.ts'
import { lockedPackages, packagePurl } from '../sources/apt.ts'
import { elfFiles } from './compile.ts'

/** Folders of a package, and where their files go in `embedded/`. */
const PLACES = [
  ['usr/bin', 'bin'],
  ['usr/sbin', 'bin'],
  ['bin', 'bin'],
  ['sbin', 'bin'],
  ['usr/lib', 'lib'],
  ['lib', 'lib'],
  ['usr/share', 'share'],
  ['usr/include', 'include'],
] as const
/** Of interest to a desktop or a manual reader. */
const LEFT_OUT = /^share\/(?:doc|man|info|lintian|bug|locale|applications|pixmaps|icons|menu|binfmts|gdb)(?:\/|$)/

export interface EmbedOptions {
  /** Name of the source that brings the program patchelf. */
  readonly patchelf: string
  /** Whether a file is taken; `path` is its place in `embedded/`: `lib/python3.11/os.py`. Default: all but documentation. */
  readonly takes?: (path: string) => boolean
}

/**
 * Copies what an `apt` source unpacked into the part. Programs and libraries get a RUNPATH to the folders of the part that hold
 * libraries.
 */
export async function embedPackages(step: BuildStep, source: string, options: EmbedOptions): Promise<void> {
  const takes = (path: string): boolean => !LEFT_OUT.test(path) && (path === '' || (options.takes?.(path) ?? true))
  const from = step.source(source)
  for (const [place, to] of PLACES) {
    const folder = join(from, place)
    // On merged systems `lib` is a link to `usr/lib`.
    if (!existsSync(folder) || lstatSync(folder).isSymbolicLink()) continue
    cpSync(folder, join(step.out, to), {
      recursive: true,
      verbatimSymlinks: true,
      filter: (path) => takes(join(to, relative(folder, path))),
    })
  }
  await setRunpaths(step, join(step.source(options.patchelf), 'usr/bin/patchelf'))
}

/** The packages of an `apt` source as components. Their licences are in their copyright files, which no program reads reliably. */
export async function debianComponents(step: BuildStep, source: string): Promise<readonly Component[]> {
  return (await lockedPackages(step.source(source))).map((one) => ({
    name: one.name,
    version: one.version,
    purl: packagePurl(one),
    digest: `sha256:${one.sha256}`,
  }))
}

async function setRunpaths(step: BuildStep, patchelf: string): Promise<void> {
  const files = await elfFiles(step)
  const libraries = new Map<string, string>()
  for (const file of files) {
    libraries.set(basename(file), dirname(file))
    const soname = readElf(file)?.soname
    if (soname !== undefined) libraries.set(soname, dirname(file))
  }
  for (const file of files) {
    const needed = readElf(file)?.needed ?? []
    const folders = new Set(needed.flatMap((name) => libraries.get(name) ?? []))
    if (folders.size === 0) continue
    const paths = [...folders].toSorted().map((folder) => originTo(dirname(file), folder))
    const mode = lstatSync(file).mode
    chmodSync(file, mode | 0o200)
    await step.run([patchelf, '--set-rpath', paths.join(':'), file])
    chmodSync(file, mode)
  }
}

function originTo(from: string, to: string): string {
  const path = relative(from, to)
  return path === '' ? '$ORIGIN' : `$ORIGIN/${path}`
}
