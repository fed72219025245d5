/** The packages that npm installed into a tree, as components: what is there counts, not what was asked for. */
import { readdir, readFile, realpath } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { z } from 'zod'
import type { BuildStep, Component } from '../recipe.ts'
import { componentRef } from '../tree/components.ts'
import { compareBytes } from '../tree/entries.ts'

const names = z.record(z.string(), z.unknown()).catch({})
const packageSchema = z.object({
  name: z.string().min(1).optional().catch(undefined),
  version: z.string().optional().catch(undefined),
  license: z.unknown().optional(),
  licenses: z.unknown().optional(),
  dependencies: names.optional(),
  optionalDependencies: names.optional(),
  peerDependencies: names.optional(),
})
type PackageJson = z.output<typeof packageSchema>

const lockSchema = z.object({
  packages: z.record(
    z.string(),
    z.object({ resolved: z.string().optional().catch(undefined), integrity: z.string().optional().catch(undefined) }),
  ),
})
type Lock = z.output<typeof lockSchema>['packages']

interface Installed {
  /** Relative to the tree: `node_modules/a/node_modules/b`. It is the package's key in the lockfile. */
  readonly path: string
  readonly json: PackageJson
  readonly component: Component
}

/**
 * The packages below `node_modules` of a folder (default: the staged tree), in the order of name and version, with what each needs.
 * Packages that are links (workspaces) are the app's own parts and left out; what is installed below them is not.
 */
export async function npmComponents(step: BuildStep, folder: string = step.out): Promise<readonly Component[]> {
  const lock = await readLock(folder)
  const found: Installed[] = []
  await collect(folder, '', { lock, found, seen: new Set() })
  const at = new Map(found.map((i) => [i.path, componentRef(i.component)]))
  const components = found.map(({ path, json, component }) => ({ ...component, dependsOn: needs(path, json, at) }))
  return components.toSorted((a, b) => compareBytes(a.name, b.name) || compareBytes(a.version, b.version))
}

interface Collection {
  readonly lock: Lock
  readonly found: Installed[]
  /** Folders that were looked at: links may meet. */
  readonly seen: Set<string>
}

async function collect(root: string, path: string, collection: Collection): Promise<void> {
  if (collection.seen.has(path)) return
  collection.seen.add(path)
  for (const name of await packageNames(join(root, path, 'node_modules'))) {
    const place = join(path, 'node_modules', name)
    const real = relative(await realpath(root), await realpath(join(root, place)))
    if (real !== place) {
      if (!real.startsWith('..')) await collect(root, real, collection)
      continue
    }
    const json = await readJson(join(root, place, 'package.json'), packageSchema)
    if (!json) continue
    const component = componentOf(json, name, collection.lock[place])
    collection.found.push({ path: place, json, component })
    await collect(root, place, collection)
  }
}

/** `a`, `@scope/b`; nothing when there is no such folder. */
async function packageNames(folder: string): Promise<readonly string[]> {
  const entries = (await namesIn(folder)).filter((name) => !name.startsWith('.'))
  const scoped = entries
    .filter((name) => name.startsWith('@'))
    .map(async (scope) => (await namesIn(join(folder, scope))).map((name) => `${scope}/${name}`))
  return [...entries.filter((name) => !name.startsWith('@')), ...(await Promise.all(scoped)).flat()]
}

async function namesIn(folder: string): Promise<readonly string[]> {
  return readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return []
    throw error
  })
}

function componentOf(json: PackageJson, folderName: string, locked: Lock[string] | undefined): Component {
  const { name = folderName, version = '0.0.0' } = json
  // What came from git or a folder is not what a registry has under that name.
  const fromRegistry = locked?.resolved === undefined || /^https?:/.test(locked.resolved)
  const path = name.split('/').map(encodeURIComponent).join('/')
  return {
    name,
    version,
    license: licenseText(json),
    purl: fromRegistry ? `pkg:npm/${path}@${encodeURIComponent(version)}` : undefined,
    digest: fromRegistry ? digestOf(locked?.integrity) : undefined,
  }
}

/** Today a text; once an object, or a list of them. */
function licenseText({ license, licenses }: PackageJson): string | undefined {
  const texts = [license, licenses].flat().flatMap((value: unknown) => {
    if (typeof value === 'string') return [value]
    return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string'
      ? [value.type]
      : []
  })
  const text = texts.length > 1 ? `(${texts.join(' OR ')})` : texts[0]
  return text === undefined || text === '' ? undefined : text.slice(0, 512).toWellFormed()
}

/** The strongest digest of an integrity (`sha512-<base64>`); weaker ones than sha256 prove nothing. */
function digestOf(integrity: string | undefined): string | undefined {
  for (const algorithm of ['sha512', 'sha384', 'sha256']) {
    const [, base64] = new RegExp(`(?:^| )${algorithm}-([A-Za-z0-9+/]+=*)`).exec(integrity ?? '') ?? []
    if (base64 !== undefined) return `${algorithm}:${Buffer.from(base64, 'base64').toString('hex')}`
  }
  return undefined
}

/** What a package's names lead to, the way Node finds them: beside it, then ever further out. */
function needs(path: string, json: PackageJson, at: ReadonlyMap<string, string>): readonly string[] | undefined {
  const wanted = { ...json.dependencies, ...json.optionalDependencies, ...json.peerDependencies }
  const refs = Object.keys(wanted).flatMap((name) => {
    for (let from = path; ; from = from.slice(0, Math.max(0, from.lastIndexOf('/node_modules/')))) {
      const ref = at.get(from === '' ? `node_modules/${name}` : `${from}/node_modules/${name}`)
      if (ref !== undefined) return [ref]
      if (from === '') return []
    }
  })
  return refs.length > 0 ? refs : undefined
}

async function readLock(folder: string): Promise<Lock> {
  for (const name of ['npm-shrinkwrap.json', 'package-lock.json']) {
    const lock = await readJson(join(folder, name), lockSchema)
    if (lock) return lock.packages
  }
  return {}
}

async function readJson<T>(file: string, schema: z.ZodType<T>): Promise<T | undefined> {
  try {
    return schema.parse(JSON.parse(await readFile(file, 'utf8')))
  } catch {
    return undefined
  }
}
