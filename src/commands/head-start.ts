/**
 * Servers are greeted before the command is even loaded, where the last run of the same command with the same configuration dialled them: by
 * then they have answered when their answer is wanted. A configuration that was changed since is read first, for it may be mistyped.
 */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { cacheFolder, keepInCache } from '../cache-folder.ts'
import { findUpward } from '../config/find.ts'
import { allDialled, dropGreeted, greet, type Address } from '../greeting.ts'
import type { Input } from './command.ts'
import type { Globals } from './program.ts'

export interface HeadStart {
  /** Ends what was begun in vain, and keeps whom the run dialled for the next one. */
  end(): Promise<void>
}

/** Greets whom the last run like this one dialled. */
export async function headStart(
  command: string,
  input: Input,
  { cwd = '.', config, environment }: Globals,
): Promise<HeadStart> {
  const file = configFile(cwd, config)
  const content = file === undefined ? undefined : contentOf(file)
  // A file that is named may be a stranger's, and is read first.
  const isFile = input.args.some((arg) => arg !== undefined && existsSync(resolve(cwd, arg)))
  if (content === undefined || isFile) return { end: () => Promise.resolve() }
  const digest = digestOf(content, process.env['SHIP_SSH_CONFIG'])
  const asked = digestOf(file, command, environment, ...input.list('hosts'), '-', ...input.list('roles'))
  const path = join('dialled', `${asked}.json`)
  const known = read(join(cacheFolder(), path))
  if (known?.digest === digest) greet(known.addresses)
  // A server that is near can be told the first line already.
  await nextTurn()
  return {
    async end() {
      dropGreeted()
      const text = JSON.stringify({ digest, addresses: allDialled() })
      if (allDialled().length > 0 && text !== JSON.stringify(known)) await keepInCache(path, text)
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
  readonly digest: string
  readonly addresses: readonly Address[]
}

function read(file: string): Kept | undefined {
  try {
    const { digest, addresses } = JSON.parse(readFileSync(file, 'utf8')) as Kept
    const isAddress = ({ hostname, port }: Address): boolean =>
      typeof hostname === 'string' && port > 0 && port < 65_536
    return addresses.every(isAddress) ? { digest, addresses } : undefined
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
