/** `npm`: a package of the registry that the user's npm is set up for, locked to version and integrity. */
import { hash } from 'node:crypto'
import { mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import semver from 'semver'
import { z } from 'zod'
import { ShipError } from '../errors.ts'
import { runLocal } from '../process.ts'
import type { Source } from '../recipe.ts'
import { isKept } from './download.ts'
import { digestIfThere } from '../file-digest.ts'
import type { SourceContext, SourceKind } from './source.ts'
import { unpack } from './unpack.ts'

type NpmSource = Extract<Source, { npm: string }>

const MAX_OUTPUT = 64 * 1024 * 1024
const NAME = /^(@[a-z0-9][a-z0-9._-]*\/)?[a-z0-9][a-z0-9._-]*$/
const lock = z.object({
  name: z.string().regex(NAME),
  version: z.string().refine((text) => semver.valid(text) !== null, 'is not a version'),
  integrity: z.string().regex(/^sha512-[A-Za-z0-9+/]+={0,2}$/),
})

/** What `npm view` tells of one version. */
const viewed = z.object({ version: z.string(), 'dist.integrity': z.string().optional() })

export const npm: SourceKind<NpmSource, z.output<typeof lock>> = {
  key: 'npm',
  is: (source): source is NpmSource => 'npm' in source,
  locked: lock,
  async resolve(source, { signal, projectDir }) {
    const { name, range } = parse(source.npm)
    // In the project, whose .npmrc may name a registry.
    const argv = ['npm', 'view', `${name}@${range}`, 'version', 'dist.integrity', '--json']
    const result = await runLocal(argv, { signal, cwd: projectDir, maxOutputBytes: MAX_OUTPUT })
    const found = z.union([viewed.transform((one) => [one]), z.array(viewed)]).safeParse(json(result.stdout)).data ?? []
    const newest = found.toSorted((a, b) => semver.compare(a.version, b.version)).at(-1)
    if (result.code !== 0 || !newest) {
      throw new ShipError('build', `npm has no "${source.npm}"`, {
        details: result.stderr.trim().split('\n').slice(-5),
      })
    }
    const locked = lock.safeParse({ name, version: newest.version, integrity: newest['dist.integrity'] })
    if (locked.success) return locked.data
    throw new ShipError('build', `the registry gives no sha512 for ${name}@${newest.version}, so it cannot be locked`, {
      details: [`integrity: ${newest['dist.integrity'] ?? 'none'}`],
    })
  },
  fits(source, { name, version }) {
    const wanted = parse(source.npm)
    if (wanted.name !== name) return false
    return (
      semver.validRange(wanted.range) === null || semver.satisfies(version, wanted.range, { includePrerelease: true })
    )
  },
  async fetch(source, locked, to, context) {
    await unpack(await tarball(source, locked, context), 'package.tgz', to, context.signal)
  },
  digest: (locked) => locked.integrity,
  version: (locked) => locked.version,
  purl,
  materials: (_source, locked) => [{ uri: purl(locked), digest: { sha512: hexOf(locked.integrity) } }],
}

function purl({ name, version }: z.output<typeof lock>): string {
  return `pkg:npm/${name.replace('@', '%40')}@${encodeURIComponent(version)}`
}

/** `sha512-<base64>` as hexadecimal. */
function hexOf(integrity: string): string {
  return Buffer.from(integrity.slice('sha512-'.length), 'base64').toString('hex')
}

function json(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function parse(spec: string): { readonly name: string; readonly range: string } {
  const at = spec.indexOf('@', 1)
  const name = at === -1 ? spec : spec.slice(0, at)
  const range = at === -1 ? 'latest' : spec.slice(at + 1)
  if (NAME.test(name) && /^[A-Za-z0-9.*^~<>=][A-Za-z0-9 .,*^~<>=|+-]*$/.test(range)) return { name, range }
  throw new ShipError('config', `"${spec}" is no npm source`, { next: ['write "name@1.2.3" or "name@^1.2"'] })
}

/** The package's file, kept by its integrity. */
async function tarball(
  { npm: spec }: NpmSource,
  locked: z.output<typeof lock>,
  context: SourceContext,
): Promise<string> {
  const { name, version, integrity } = locked
  const folder = join(context.cache, 'downloads')
  const kept = join(folder, hash('sha256', integrity))
  if (await isKept(kept, 'sha512', integrity.slice('sha512-'.length))) return kept
  await mkdir(folder, { recursive: true })
  const temp = await mkdtemp(join(folder, '.new-'))
  try {
    context.log(`fetch ${name}@${version}`)
    const argv = ['npm', 'pack', `${name}@${version}`, '--json', '--ignore-scripts', '--pack-destination', temp]
    const result = await runLocal(argv, { signal: context.signal, cwd: context.projectDir, maxOutputBytes: MAX_OUTPUT })
    const [packed] = await readdir(temp)
    if (result.code !== 0 || packed === undefined) {
      throw new ShipError('build', `npm has no "${name}@${version}" any more (locked for ${spec})`, {
        details: result.stderr.trim().split('\n').slice(-5),
        next: ['if another version is meant: ship lock'],
      })
    }
    const file = join(temp, packed)
    const received = `sha512-${(await digestIfThere(file, 'sha512')) ?? ''}`
    if (received !== integrity) {
      const { size } = await stat(file)
      throw new ShipError('build', `"${name}@${version}" is not what was locked`, {
        details: [`received ${received}, ${size} bytes`, `locked   ${integrity}`],
        next: ['if the new content is meant: ship lock'],
      })
    }
    await rename(file, kept)
    return kept
  } finally {
    await rm(temp, { recursive: true, force: true })
  }
}
