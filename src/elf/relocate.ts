/**
 * Makes a tree that was built or installed at one place run from any place: absolute search paths of ELF files and absolute interpreters
 * of scripts that point into the tree become relative to their file. All files are planned before the first one is changed.
 */
import {
  chmodSync,
  closeSync,
  copyFileSync,
  constants,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join, posix, relative } from 'node:path'
import { ShipError } from '../errors.ts'
import { planSearchPaths, type PathPlan } from './runpath.ts'
import { planShebang, type ShebangPlan } from './shebang.ts'

interface Relocated {
  readonly path: string
  readonly kind: 'search path' | 'first line'
  /** The search path or first line as it was. */
  readonly before: string
  readonly after: string
}

export interface RelocateReport {
  /** In the order of the paths. */
  readonly changed: readonly Relocated[]
  /** ELF files that stay as they are, and why: search paths without room, damaged files. The health check finds them again. */
  readonly impossible: readonly { readonly path: string; readonly before: string; readonly why: string }[]
}

const MAGIC_BYTES = 4

/**
 * Relocates all files below `root`. `from`: absolute folders at which the tree stood while it was built or installed. Rejects (reason
 * `build`), before anything is changed, a script that cannot be made relative, by name.
 */
export function relocateTree(root: string, options: { readonly from: readonly string[] }): RelocateReport {
  const from = options.from.map(checkedPrefix)
  const changed: Relocated[] = []
  const impossible: { path: string; before: string; why: string }[] = []
  const work: (() => void)[] = []
  for (const path of filesIn(root)) {
    const file = join(root, path)
    const plan = planFile(file, path, from)
    if (!plan) continue
    if ('kind' in plan && plan.kind === 'impossible') {
      impossible.push({ path, before: plan.before, why: plan.why })
      continue
    }
    const kind = 'head' in plan ? 'first line' : 'search path'
    changed.push({ path, kind, before: plan.before, after: plan.after })
    work.push(() => replaceFile(file, plan))
  }
  for (const change of work) change()
  return { changed, impossible }
}

function checkedPrefix(prefix: string): string {
  const normal = posix.normalize(prefix).replace(/\/$/, '')
  if (prefix.startsWith('/') && normal !== '') return normal
  throw new ShipError('config', `"${prefix}" is not an absolute folder that a tree could have been built in`)
}

function filesIn(root: string): string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .toSorted()
}

function planFile(file: string, path: string, from: readonly string[]): PathPlan | ShebangPlan | undefined {
  const magic = firstBytes(file)
  if (magic === '\x7fELF') return planSearchPaths(file, path, from)
  return magic.startsWith('#!') ? planShebang(readFileSync(file, 'latin1'), path, from) : undefined
}

function firstBytes(file: string): string {
  const fd = openSync(file, 'r')
  try {
    const buffer = Buffer.alloc(MAGIC_BYTES)
    return buffer.toString('latin1', 0, readSync(fd, buffer, 0, MAGIC_BYTES, 0))
  } finally {
    closeSync(fd)
  }
}

/** Puts a changed copy in the file's place: another name of the same file, in a package store perhaps, keeps its bytes. */
function replaceFile(file: string, plan: ShebangPlan | Extract<PathPlan, { kind: 'rewrite' }>): void {
  const { mode } = lstatSync(file)
  const copy = `${file}.ship-relocate`
  try {
    if ('head' in plan) {
      const rest = readFileSync(file).subarray(plan.length)
      writeFileSync(copy, Buffer.concat([Buffer.from(plan.head, 'latin1'), rest]), { flag: 'wx' })
    } else {
      copyFileSync(file, copy, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE)
      chmodSync(copy, 0o600)
      const fd = openSync(copy, 'r+')
      try {
        for (const { offset, bytes } of plan.writes) writeSync(fd, bytes, 0, bytes.length, offset)
      } finally {
        closeSync(fd)
      }
    }
    chmodSync(copy, mode & 0o7777)
    renameSync(copy, file)
  } catch (error) {
    rmSync(copy, { force: true })
    throw error
  }
}
