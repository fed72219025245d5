/** Archives as the world writes them, unpacked by the programs that know them all. */
import { cp, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { ShipError } from '../errors.ts'
import { runLocal } from '../process.ts'

const TAR = /\.(?:tar(?:\.(?:gz|xz|bz2|zst|lz))?|tgz|txz|tbz2?)$/
const ZIP = /\.(?:zip|jar|whl)$/

/** Whether a name is that of an archive. */
export function isArchive(name: string): boolean {
  return TAR.test(name) || ZIP.test(name)
}

/**
 * Unpacks `file`, whose kind its `name` tells, into the empty folder `to`; a single top folder is taken off. What is no archive is
 * copied under its name.
 */
export async function unpack(file: string, name: string, to: string, signal: AbortSignal): Promise<void> {
  await mkdir(to, { recursive: true })
  const argv = TAR.test(name)
    ? ['tar', '-xf', file, '--no-same-owner', '--no-same-permissions', '-C']
    : ZIP.test(name)
      ? ['unzip', '-q', file, '-d']
      : undefined
  if (argv === undefined) {
    await cp(file, join(to, name))
    return
  }
  const parts = await mkdtemp(join(dirname(to), `.${basename(to)}-`))
  try {
    const result = await runLocal([...argv, parts], { signal })
    if (result.code !== 0) {
      throw new ShipError('build', `"${name}" could not be unpacked`, {
        details: result.stderr.trim().split('\n').slice(-10),
      })
    }
    // A folder that nobody may write to could not be built in, nor removed.
    await runLocal(['chmod', '-R', 'u+rwX', parts], { signal })
    const inside = await readdir(parts, { withFileTypes: true })
    const [only] = inside
    const from = only && inside.length === 1 && only.isDirectory() ? join(parts, only.name) : parts
    for (const entry of await readdir(from)) await rename(join(from, entry), join(to, entry))
  } finally {
    await rm(parts, { recursive: true, force: true })
  }
}
