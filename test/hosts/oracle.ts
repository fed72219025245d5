/**
 * Whether anything was lost: reads the folders of hosts, with nothing of ship's own code, and judges them by the "nothing lost" list.
 *
 *   node test/hosts/oracle.ts HOST_ROOT... --snapshot FILE    what is there before, written down
 *   node test/hosts/oracle.ts HOST_ROOT... --expect FILE      what became of it: a line for each loss, and exit code 1
 *
 * FILE of `--expect` holds an `Expectation` as JSON.
 */
import { createHash } from 'node:crypto'
import { lstatSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { recordProblem, journalProblems, lockProblems } from './oracle-writing.ts'

/** A host before: what `current` named, and each release byte for byte, as path -> kind, mode, time and digest. */
export interface Snapshot {
  readonly current: string | null
  readonly releases: Readonly<Record<string, Readonly<Record<string, string>>>>
}

export interface Expectation {
  /** By root. */
  readonly before: Readonly<Record<string, Snapshot>>
  /** Versions that the command leads to; several when others changed the hosts as well. */
  readonly goals: readonly string[]
  /** Versions that may be there besides those of before and the goals. */
  readonly mayCome: readonly string[]
  /** Exit code of the command; null when it was killed, or nothing follows from it. */
  readonly code: number | null
  /** A run went well since: nothing of earlier ones may be left. */
  readonly settled: boolean
  /** Releases that may be gone: those that are beyond "keep". */
  readonly mayGo: readonly string[]
}

/** Codes of runs that left `current` as it was, or put it back. */
const BACK = [2, 4, 5, 6, 8, 9, 130, 143]
const OF_SHIP = ['current', 'releases', 'shared', '.ship']

export function snapshotOf(root: string): Snapshot {
  const versions = names(join(root, 'releases'))
  return {
    current: currentOf(root),
    releases: Object.fromEntries(versions.map((version) => [version, treeOf(join(root, 'releases', version))])),
  }
}

/** What was lost, a line each; empty: nothing. */
export function losses(roots: readonly string[], expectation: Expectation): string[] {
  return roots.flatMap((root) => ofHost(root, expectation).map((problem) => `${root}: ${problem}`))
}

function ofHost(root: string, expectation: Expectation): string[] {
  const before = expectation.before[root] ?? { current: null, releases: {} }
  // A command that touches no host may come before the first release.
  if (names(root).length === 0 && before.current === null && expectation.code !== 0) return []
  return [
    ...currentProblems(root, before, expectation),
    ...treeProblems(root, before, expectation),
    ...strangers(root, before, expectation),
    ...lockProblems(root, expectation.settled),
    ...journalProblems(root),
    ...(expectation.settled ? leftovers(root) : []),
  ]
}

function currentProblems(root: string, before: Snapshot, { goals, code, settled }: Expectation): string[] {
  const now = currentOf(root)
  if (now !== null && lstatSync(join(root, now), { throwIfNoEntry: false })?.isDirectory() !== true)
    return [`current is "${now}", which is not there`]
  const targets = goals.map((goal) => `releases/${goal}`)
  if (now !== before.current && !targets.includes(now ?? '')) return [`current is "${now}", neither old nor new`]
  if (code === 0 && !targets.includes(now ?? ''))
    return [`exit code 0, but current is "${now}" and not of ${goals.join(', ')}`]
  if (code !== null && BACK.includes(code) && !settled && now !== before.current)
    return [`exit code ${code}, but current is "${now}" and not "${before.current}" as before`]
  return []
}

/** Every release that has a name is whole, and those that were there before are what they were. */
function treeProblems(root: string, before: Snapshot, { mayGo }: Expectation): string[] {
  const found: string[] = []
  const there = names(join(root, 'releases'))
  for (const version of there) {
    found.push(...recordProblem(root, version), ...manifestProblems(root, version))
    const old = before.releases[version]
    if (old === undefined) continue
    const now = treeOf(join(root, 'releases', version))
    const differing = [...new Set([...Object.keys(old), ...Object.keys(now)])].filter((path) => old[path] !== now[path])
    if (differing.length > 0) found.push(`release ${version} is not what it was: ${differing.slice(0, 3).join(', ')}`)
  }
  const gone = Object.keys(before.releases).filter((version) => !there.includes(version) && !mayGo.includes(version))
  return [...found, ...gone.map((version) => `release ${version} is gone`)]
}

interface Entry {
  readonly path: string
  readonly type: string
  readonly mode: number
  readonly size?: number
  readonly sha256?: string
  readonly target?: string
}

function manifestProblems(root: string, version: string): string[] {
  const file = join(root, '.ship/manifests', `${version}.manifest.json`)
  let text: string
  let entries: readonly Entry[]
  let record: { readonly digest?: string; readonly shared?: readonly string[] }
  try {
    text = readFileSync(file, 'utf8')
    entries = (JSON.parse(text) as { readonly entries: readonly Entry[] }).entries
    record = JSON.parse(readFileSync(join(root, '.ship/releases', `${version}.json`), 'utf8'))
  } catch (error) {
    return [`release ${version} has no manifest: ${String(error)}`]
  }
  if (sha256(text) !== record.digest) return [`the manifest of ${version} is not the one of its record`]
  const shared = record.shared ?? []
  const isShared = (path: string): boolean => shared.some((one) => path === one || path.startsWith(`${one}/`))
  const now = treeOf(join(root, 'releases', version), false)
  const wanted = Object.fromEntries(entries.map((entry) => [entry.path, entryText(entry)]))
  const differing = [...new Set([...Object.keys(now), ...Object.keys(wanted)])].filter(
    (path) => !isShared(path) && now[path] !== wanted[path],
  )
  return differing.length === 0 ? [] : [`release ${version} is not its manifest: ${differing.slice(0, 3).join(', ')}`]
}

/** Nothing outside .ship, and no release that nobody made. */
function strangers(root: string, before: Snapshot, { goals, mayCome }: Expectation): string[] {
  const beside = names(root).filter((name) => !OF_SHIP.includes(name))
  const known = [...Object.keys(before.releases), ...goals, ...mayCome]
  const unknown = names(join(root, 'releases')).filter((version) => !known.includes(version))
  return [...beside, ...unknown.map((name) => `releases/${name}`)].map((name) => `"${name}" should not be there`)
}

/** What a run that ended well must have cleared away in .ship. */
function leftovers(root: string): string[] {
  const ship = join(root, '.ship')
  const known = ['history.ndjson', 'last', 'incoming', 'manifests', 'releases', 'reserve', 'trash', 'once']
  const releases = names(join(root, 'releases'))
  const isOfRelease = (name: string, suffixes: readonly string[]): boolean =>
    suffixes.some((suffix) => name.endsWith(suffix) && releases.includes(name.slice(0, -suffix.length)))
  const left = [
    ...names(ship).filter((name) => !known.includes(name)),
    ...['incoming', 'trash', 'once'].flatMap((folder) => names(join(ship, folder)).map((name) => `${folder}/${name}`)),
    ...names(join(ship, 'releases'))
      .filter((name) => !isOfRelease(name, ['.json']))
      .map((name) => `releases/${name}`),
    ...names(join(ship, 'manifests'))
      .filter((name) => !isOfRelease(name, ['.manifest.json', '.sums', '.links', '.inodes']))
      .map((name) => `manifests/${name}`),
  ]
  return left.map((name) => `.ship/${name} was left behind`)
}

function currentOf(root: string): string | null {
  const path = join(root, 'current')
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return null
  return stat.isSymbolicLink() ? readlinkSync(path) : 'no link'
}

/** Paths below a folder, each with all that can be told of it. */
function treeOf(dir: string, withTimes = true): Record<string, string> {
  const found: Record<string, string> = {}
  const visit = (at: string): void => {
    for (const name of names(join(dir, at))) {
      const path = at === '' ? name : `${at}/${name}`
      const full = join(dir, path)
      const stat = lstatSync(full)
      const mode = stat.mode & 0o7777
      const time = withTimes ? ` ${stat.mtimeMs}` : ''
      if (stat.isSymbolicLink())
        found[path] = entryText({ path, type: 'link', mode, target: readlinkSync(full) }) + time
      else if (stat.isDirectory()) {
        found[path] = entryText({ path, type: 'dir', mode }) + time
        visit(path)
      } else {
        const sum = stat.isFile() ? sha256(readFileSync(full)) : ''
        found[path] =
          entryText({ path, type: stat.isFile() ? 'file' : 'other', mode, size: stat.size, sha256: sum }) + time
      }
    }
  }
  visit('')
  return found
}

function entryText({ type, mode, size, sha256: sum, target }: Entry): string {
  return type === 'link' ? `link ${target}` : type === 'dir' ? `dir ${mode}` : `${type} ${mode} ${size} ${sum}`
}

function names(dir: string): string[] {
  try {
    return readdirSync(dir).toSorted()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

function sha256(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex')
}

if (import.meta.main) {
  const args = process.argv.slice(2)
  const flag = args.findIndex((word) => word.startsWith('--'))
  const roots = args.slice(0, flag)
  const file = args[flag + 1] ?? ''
  if (args[flag] === '--snapshot')
    writeFileSync(file, JSON.stringify(Object.fromEntries(roots.map((root) => [root, snapshotOf(root)]))))
  else {
    const lost = losses(roots, JSON.parse(readFileSync(file, 'utf8')) as Expectation)
    for (const line of lost) console.log(line)
    process.exitCode = lost.length > 0 ? 1 : 0
  }
}
