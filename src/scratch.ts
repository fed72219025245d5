/**
 * Folders for the work of one run, in the folder for temporary files. A run removes its own; what a killed run left is removed by the
 * next one, which reads in it whose it was.
 */
import { lstat, mkdtemp, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isAlive, ownMark, type ProcessMark } from './alive.ts'

const NAME = /^ship-(?:build|release|ssh)-[A-Za-z0-9]{6}$/
const OWNER_FILE = '.owner'
/** When nobody can tell whether the owner lives, age decides: no run takes this long. */
const FORGOTTEN_MS = 7 * 24 * 3600 * 1000

let swept = false

/** Makes an empty folder (but for `.owner`) that only this user may read, and removes those of runs that died. */
export async function makeScratch(kind: 'build' | 'release' | 'ssh'): Promise<string> {
  const home = await realpath(tmpdir())
  // Of connections there are hundreds in a run.
  if (kind !== 'ssh' || !swept) await sweep(home)
  swept = true
  const folder = await mkdtemp(join(home, `ship-${kind}-`))
  await writeFile(join(folder, OWNER_FILE), JSON.stringify(ownMark()))
  return folder
}

/** Never fails: what cannot be removed today is left to the next run. */
async function sweep(home: string): Promise<void> {
  const names = await readdir(home).catch((): string[] => [])
  for (const name of names.filter((n) => NAME.test(n))) {
    const folder = join(home, name)
    if (await isLeftover(folder)) await rm(folder, { recursive: true, force: true }).catch(() => undefined)
  }
}

/** Anybody may write beside these folders, so only this user's own count, and no link to elsewhere. */
async function isLeftover(folder: string): Promise<boolean> {
  const stats = await lstat(folder).catch(() => undefined)
  if (!stats?.isDirectory() || stats.uid !== process.getuid?.()) return false
  const owner = markIn(await readFile(join(folder, OWNER_FILE), 'utf8').catch(() => ''))
  const alive = owner && isAlive(owner)
  return alive === undefined ? Date.now() - stats.mtimeMs > FORGOTTEN_MS : !alive
}

function markIn(text: string): ProcessMark | undefined {
  try {
    const value = JSON.parse(text) as Partial<Record<keyof ProcessMark, unknown>> | null
    const { space, pid, startTime } = value ?? {}
    const whole = typeof space === 'string' && typeof pid === 'number' && typeof startTime === 'string'
    return whole ? { space, pid, startTime } : undefined
  } catch {
    return undefined
  }
}
