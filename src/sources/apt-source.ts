/** `aptSource`: the source of a Debian package as Debian builds it: upstream's archive and Debian's patches. */
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { messageOf, ShipError } from '../errors.ts'
import { runLocal } from '../process.ts'
import type { Source } from '../recipe.ts'
import { checkPackageName, openApt, stanzas, withFreshLists } from './apt-archive.ts'
import { digestIfThere } from '../file-digest.ts'
import type { SourceContext, SourceKind } from './source.ts'

type AptSourceSource = Extract<Source, { aptSource: string }>

const lock = z.object({
  name: z.string(),
  version: z.string(),
  files: z
    .array(
      z.object({
        name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9+._~-]*$/),
        sha256: z.string().regex(/^[0-9a-f]{64}$/),
      }),
    )
    .min(2),
})
type Locked = z.output<typeof lock>

export const aptSource: SourceKind<AptSourceSource, Locked> = {
  key: 'aptSource',
  is: (source): source is AptSourceSource => 'aptSource' in source,
  locked: lock,
  async resolve({ aptSource: name }, context) {
    checkPackageName(name)
    const archive = await openApt(context)
    const all = stanzas(await archive.run(['apt-cache', 'showsrc', '--only-source', name]))
    const versions = await newestFirst([...new Set(all.map((fields) => fields.get('Version') ?? ''))], context)
    const offered = versions.map((version) => lockedOf(name, version, all))
    const [newest] = offered
    if (!newest) throw new ShipError('build', `Debian has no source package "${name}"`)
    return offered.length === 1 ? newest : obtainable(offered, context)
  },
  async fetch(_source, locked, to, context) {
    const folder = await sourceFiles(locked, context)
    const dsc = locked.files.find((f) => f.name.endsWith('.dsc'))?.name ?? ''
    await mkdir(dirname(to), { recursive: true })
    await rm(to, { recursive: true, force: true })
    // The files are checked by their digests; the archive's keys are apt's matter.
    const result = await runLocal(['dpkg-source', '--no-check', '-x', join(folder, dsc), to], {
      signal: context.signal,
    })
    if (result.code !== 0) {
      throw new ShipError('build', `the source of ${locked.name} could not be unpacked`, {
        details: result.stderr.trim().split('\n').slice(-8),
        next: ['dpkg-source is in the package dpkg-dev'],
      })
    }
  },
  fits: (source, locked) => source.aptSource === locked.name,
  digest: ({ files }) => files.map((f) => f.sha256).join(' '),
  // Upstream's own version: what people ask about a component.
  version: ({ version }) => version.replace(/^\d+:/, '').replace(/-[^-]*$/, ''),
  purl,
  materials: (_source, locked) =>
    locked.files.map(({ name, sha256 }) => ({
      uri: `${purl(locked)}&file_name=${encodeURIComponent(name)}`,
      digest: { sha256 },
    })),
}

function purl({ name, version }: Pick<Locked, 'name' | 'version'>): string {
  return `pkg:deb/debian/${name}@${encodeURIComponent(version)}?arch=source`
}

async function newestFirst(versions: readonly string[], { signal }: SourceContext): Promise<string[]> {
  const sorted: string[] = []
  for (const version of versions) {
    let at = 0
    for (const other of sorted) {
      const older = await runLocal(['dpkg', '--compare-versions', version, 'lt', other], { signal })
      if (older.code !== 0) break
      at++
    }
    sorted.splice(at, 0, version)
  }
  return sorted
}

function lockedOf(name: string, version: string, all: readonly ReadonlyMap<string, string>[]): Locked {
  const found = all.find((fields) => fields.get('Version') === version)
  const files = [...(found?.get('Checksums-Sha256') ?? '').matchAll(/([0-9a-f]{64}) \d+ (\S+)/g)].map(
    ([, sha256 = '', file = '']) => ({ name: file, sha256 }),
  )
  return lock.parse({ name, version, files: files.filter((f) => !f.name.endsWith('.asc')) })
}

/** The newest that can be had: a mirror may name a source for hours before it has its files. Rejects as the newest one does. */
async function obtainable(offered: readonly Locked[], context: SourceContext): Promise<Locked> {
  const failures: unknown[] = []
  for (const locked of offered) {
    try {
      await sourceFiles(locked, context)
      return locked
    } catch (error) {
      context.signal.throwIfAborted()
      context.log(`the source of ${locked.name} ${locked.version} cannot be had: ${messageOf(error)}`)
      failures.push(error)
    }
  }
  throw failures[0]
}

/** A folder with all files under their own names, each checked. What was kept and is damaged is fetched again. */
async function sourceFiles(locked: Locked, context: SourceContext): Promise<string> {
  const { name, version, files } = locked
  const kept = join(context.cache, 'downloads', `${name}_${files[0]?.sha256.slice(0, 32) ?? ''}`)
  if ((await wrongFile(kept, files)) === undefined) return kept
  await rm(kept, { recursive: true, force: true })
  await mkdir(dirname(kept), { recursive: true })
  const temp = await mkdtemp(join(dirname(kept), '.new-'))
  try {
    context.log(`fetch the source of ${name} ${version}`)
    const argv = ['apt-get', 'source', '-q', '--download-only', `${name}=${version}`]
    await withFreshLists(context, (archive) => archive.run(argv, temp))
    const wrong = await wrongFile(temp, files)
    if (wrong) {
      throw new ShipError('build', `${wrong.name}, of the source of ${name}, is not what was locked`, {
        details: [`received sha256 ${wrong.received}`, `locked   sha256 ${wrong.sha256}`],
        next: ['if the new content is meant: ship lock'],
      })
    }
    // Somebody else may have been quicker; theirs is as good.
    await rename(temp, kept).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error
    })
    return kept
  } finally {
    await rm(temp, { recursive: true, force: true })
  }
}

async function wrongFile(folder: string, files: Locked['files']) {
  for (const { name, sha256 } of files) {
    const received = (await digestIfThere(join(folder, name), 'sha256')) ?? 'nothing'
    if (received !== sha256) return { name, sha256, received }
  }
  return undefined
}
