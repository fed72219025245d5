/**
 * Servers are greeted before the command is even loaded, where the last run with the same configuration dialled them: they have answered by the
 * time their answer is wanted. A configuration that was changed since is read first, for it may be mistyped.
 */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { cacheFolder, keepInCache } from '../cache-folder.ts'
import { findUpward } from '../config-file.ts'
import { allDialled, dropGreeted, greet, type Address } from '../greeting.ts'
import type { Command, Input } from './command.ts'
import type { Globals } from './program.ts'

export interface HeadStart {
  /** Ends what was begun in vain, and keeps whom the run dialled for the next one. */
  end(): Promise<void>
}

/** Greets whom the last run of the same command dialled, or of the one that it follows. */
export async function headStart(
  { name, follows = name }: Pick<Command, 'name' | 'follows'>,
  input: Input,
  { cwd = '.', config, environment }: Globals,
): Promise<HeadStart> {
  const file = configFile(cwd, config)
  const content = file === undefined ? undefined : contentOf(file)
  // A file that is named may be a stranger's, and is read first.
  const isFile = input.args.some((arg) => arg !== undefined && existsSync(resolve(cwd, arg)))
  if (content === undefined || isFile) return { end: () => Promise.resolve() }
  const digest = digestOf(content, process.env['SHIP_SSH_CONFIG'])
  const path = join(
    'dialled',
    `${digestOf(file, environment, ...input.list('hosts'), '-', ...input.list('roles'))}.json`,
  )
  const kept = read(join(cacheFolder(), path))
  const known = kept?.digest === digest ? kept.by : {}
  greet(known[name] ?? known[follows] ?? [])
  // A server that is near can be told the first line already.
  await nextTurn()
  return {
    async end() {
      dropGreeted()
      const dialled = allDialled()
      const isNews = dialled.length > 0 && !isDeepStrictEqual(dialled, known[name])
      if (isNews) await keepInCache(path, JSON.stringify({ digest, by: { ...known, [name]: dialled } }))
    },
  }
}

function configFile(cwd: string, config: string | undefined): string | undefined {
  try {
    return config === undefined ? findUpward(cwd) : resolve(cwd, config)
  } catch {
    // Told by whoever needs it.
    return undefined
  }
}

interface Kept {
  /** Of the configuration. */
  readonly digest: string
  /** Whom each command dialled. */
  readonly by: Readonly<Record<string, readonly Address[]>>
}

function read(file: string): Kept | undefined {
  try {
    const { digest, by } = JSON.parse(readFileSync(file, 'utf8')) as Kept
    const isAddress = ({ hostname, port }: Address): boolean =>
      typeof hostname === 'string' && port > 0 && port < 65_536
    return Object.values(by).flat().every(isAddress) ? { digest, by } : undefined
  } catch {
    return undefined
  }
}

function contentOf(file: string): Buffer | undefined {
  try {
    return readFileSync(file)
  } catch {
    return undefined
  }
}

function digestOf(...parts: readonly (string | Buffer | undefined)[]): string {
  const sum = createHash('sha256')
  for (const part of parts) sum.update(part ?? '').update('\0')
  return sum.digest('hex')
}
