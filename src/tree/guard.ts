/**
 * What does not belong on a host, refused by name before anything is packed: secrets, repositories, links that lead nowhere or out.
 * Each finding names the line that lets it through when it is meant.
 */
import { closeSync, existsSync, lstatSync, openSync, readSync } from 'node:fs'
import { dirname, join } from 'node:path'
import picomatch from 'picomatch'
import { ShipError } from '../errors.ts'
import { linkProblem } from './entries.ts'
import type { Entry } from './manifest.ts'

interface Finding {
  readonly path: string
  readonly problem: string
}

/** Findings that are shown; the rest is counted. */
const SHOWN = 20
const HEAD_BYTES = 4096
/** Private keys by the first line of every format in use. */
const PRIVATE_KEY = /-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----|PuTTY-User-Key-File-\d/
const MAX_KEY_BYTES = 64 * 1024

/**
 * Rejects (reason `build`) with all findings at once. `allow`: paths or patterns that are meant; `among`: all of the tree that `entries`
 * are a part of, for links between parts.
 */
export function guardTree(
  root: string,
  entries: readonly Entry[],
  allow: readonly string[],
  among: readonly Entry[] = entries,
): void {
  const allowed = allow.length > 0 ? picomatch([...allow], { dot: true }) : () => false
  const tree = new Map<string, Entry>(among.map((e) => [e.path, e]))
  const findings = entries.flatMap((entry): Finding[] => {
    const problem = problemOf(root, entry, tree)
    return problem === undefined || (problem.may && allowed(entry.path))
      ? []
      : [{ path: entry.path, problem: problem.text }]
  })
  const [first] = findings
  if (!first) return
  const details = findings.slice(0, SHOWN).map((f) => `${f.path}: ${f.problem}`)
  const more = findings.length - details.length
  throw new ShipError(
    'build',
    `${findings.length === 1 ? 'one path' : `${findings.length} paths`} should not be released`,
    {
      step: 'guard',
      state: 'nothing was written',
      details: more > 0 ? [...details, `and ${more} more`] : details,
      next: [
        'leave it out (build.exclude), or, if it is meant, add to the configuration:',
        `build: { allow: [${JSON.stringify(first.path)}] }`,
      ],
    },
  )
}

/** `may`: whether `build.allow` can let it through; what would break on a host cannot be allowed. */
function problemOf(
  root: string,
  entry: Entry,
  tree: ReadonlyMap<string, Entry>,
): { readonly text: string; readonly may: boolean } | undefined {
  const file = join(root, entry.path)
  if (entry.type === 'link') {
    const problem = linkProblem(entry.path, entry.target, tree)
    if (problem !== undefined) return { text: problem, may: false }
    if (!existsSync(join(dirname(file), entry.target)))
      return { text: `links to "${entry.target}", which does not exist`, may: true }
    return undefined
  }
  const junk = byName(entry.path)
  if (junk !== undefined) return { text: junk, may: true }
  const { mode } = lstatSync(file)
  if ((mode & 0o6000) !== 0) return { text: 'is setuid or setgid', may: true }
  if (entry.type === 'file' && (mode & 0o002) !== 0) return { text: 'may be written by everybody', may: true }
  if (entry.type === 'file' && entry.size <= MAX_KEY_BYTES && PRIVATE_KEY.test(head(file)))
    return { text: 'holds a private key', may: true }
  return undefined
}

function byName(path: string): string | undefined {
  const name = path.slice(path.lastIndexOf('/') + 1)
  if (name === '.git' || name === '.hg' || name === '.svn') return 'is a repository'
  if (name === '.ssh') return 'is a folder of ssh keys'
  if (/^\.env(\..+)?$/.test(name) && !/\.(example|sample|template|dist)$/.test(name))
    return 'is a file of settings and secrets; use release.shared.files for it'
  return undefined
}

function head(file: string): string {
  const fd = openSync(file, 'r')
  try {
    const buffer = Buffer.alloc(HEAD_BYTES)
    return buffer.subarray(0, readSync(fd, buffer, 0, buffer.length, 0)).toString('latin1')
  } finally {
    closeSync(fd)
  }
}
