/** `apt`: binary packages of Debian, unpacked side by side, without running anything of theirs. */
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { ShipError } from '../errors.ts'
import { runLocal } from '../process.ts'
import type { Source } from '../recipe.ts'
import { checkPackageName, openApt, stanzas, withFreshLists, type Apt } from './apt-archive.ts'
import { isKept } from './download.ts'
import { digestIfThere } from '../file-digest.ts'
import type { SourceContext, SourceKind } from './source.ts'

type AptSource = Extract<Source, { apt: readonly string[] }>

/** What a host has anyway, or what only makes sense with dpkg: the C library and its like, and the packages that install others. */
const HOSTS_OWN =
  /^(?:libc6|libc-bin|libgcc-s1|gcc-\d+-base|libstdc\+\+6|base-files|base-passwd|bash|dash|coreutils|debconf|dpkg|init-system-helpers|perl-base|sed|grep|tar|debianutils|util-linux.*|libcrypt1|install-info|ucf|sensible-utils|media-types|mime-support|tzdata|netbase|adduser|passwd|login|lsb-base|sysvinit-utils|cdebconf)$/

const lockedPackage = z.object({
  name: z.string(),
  version: z.string(),
  architecture: z.string(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
})
const lock = z.object({ packages: z.array(lockedPackage).min(1) })
type LockedPackage = z.output<typeof lockedPackage>

/** Beside the unpacked files: what they are of. */
const PACKAGE_LIST = '.debian-packages.json'

export const apt: SourceKind<AptSource, z.output<typeof lock>> = {
  key: 'apt',
  is: (source): source is AptSource => 'apt' in source,
  locked: lock,
  async resolve(source, context) {
    for (const name of source.apt) checkPackageName(name)
    const archive = await openApt(context)
    const names = source.dependencies === true ? await closure(source, archive) : source.apt
    const text = await archive.run(['apt-cache', 'show', '--no-all-versions', ...names])
    const missing = names.filter(
      (name) => !new RegExp(`^Package: ${name.replaceAll(/[+.]/g, '\\$&')}$`, 'm').test(text),
    )
    if (missing.length > 0) throw new ShipError('build', `Debian's archive has no package ${missing.join(', ')}`)
    const packages = stanzas(text).map((fields) => ({
      name: fields.get('Package') ?? '',
      version: fields.get('Version') ?? '',
      architecture: fields.get('Architecture') ?? '',
      sha256: fields.get('SHA256') ?? '',
    }))
    // What was asked for comes first: its version is the component's.
    const rank = ({ name }: { name: string }): number =>
      source.apt.includes(name) ? source.apt.indexOf(name) : source.apt.length
    return lock.parse({ packages: packages.toSorted((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1)) })
  },
  async fetch(_source, { packages }, to, context) {
    await mkdir(to, { recursive: true })
    for (const one of packages) {
      const file = await packageFile(one, context)
      const result = await runLocal(['dpkg-deb', '-x', file, to], { signal: context.signal })
      if (result.code !== 0) throw new ShipError('build', `${one.name} could not be unpacked: ${result.stderr.trim()}`)
    }
    await writeFile(join(to, PACKAGE_LIST), JSON.stringify(packages))
  },
  fits: (source, { packages }) => source.apt.every((name) => packages.some((one) => one.name === name)),
  digest: ({ packages }) => packages.map((p) => p.sha256).join(' '),
  version: ({ packages }) => packages[0]?.version,
  purl: ({ packages: [first] }) => first && packagePurl(first),
  materials: (_source, { packages }) => packages.map((p) => ({ uri: packagePurl(p), digest: { sha256: p.sha256 } })),
}

/** The packages whose files were fetched into a folder. */
export async function lockedPackages(folder: string): Promise<readonly LockedPackage[]> {
  return z.array(lockedPackage).parse(JSON.parse(await readFile(join(folder, PACKAGE_LIST), 'utf8')))
}

/** Package URL of a Debian package. */
export function packagePurl({ name, version, architecture }: LockedPackage): string {
  return `pkg:deb/debian/${name}@${encodeURIComponent(version)}?arch=${architecture}`
}

/** The packages and all that they need, as apt would install them on an empty system, less what hosts have. */
async function closure(source: AptSource, archive: Apt): Promise<readonly string[]> {
  const text = await archive.run(['apt-get', 'install', '--simulate', '-qq', ...source.apt])
  const all = [...text.matchAll(/^Inst (\S+)/gm)].map(([, name = '']) => name.replace(/:.*/, ''))
  const left = new Set(source.except)
  return all.filter((name) => source.apt.includes(name) || (!HOSTS_OWN.test(name) && !left.has(name)))
}

/** The .deb, kept by digest. */
async function packageFile(one: LockedPackage, context: SourceContext): Promise<string> {
  const folder = join(context.cache, 'downloads')
  const kept = join(folder, one.sha256)
  if (await isKept(kept, 'sha256', one.sha256)) return kept
  await mkdir(folder, { recursive: true })
  const temp = await mkdtemp(join(folder, '.apt-'))
  try {
    context.log(`fetch ${one.name} ${one.version}`)
    const argv = ['apt-get', 'download', '-q', `${one.name}=${one.version}`]
    await withFreshLists(context, (archive) => archive.run(argv, temp))
    const [name] = await readdir(temp)
    const received = name === undefined ? 'nothing' : await digestIfThere(join(temp, name), 'sha256')
    if (name === undefined || received !== one.sha256) {
      throw new ShipError('build', `the Debian package ${one.name} ${one.version} is not what was locked`, {
        details: [`received sha256 ${received}`, `locked   sha256 ${one.sha256}`],
        next: ['if the new content is meant: ship lock'],
      })
    }
    await rename(join(temp, name), kept)
    return kept
  } catch (error) {
    throw error instanceof ShipError ? gone(error, one) : error
  } finally {
    await rm(temp, { recursive: true, force: true })
  }
}

function gone(error: ShipError, { name, version }: LockedPackage): ShipError {
  if (!error.message.startsWith('"apt-get download')) return error
  return new ShipError('build', `the archive no longer has ${name} ${version}, which is locked`, {
    cause: error,
    details: error.details,
    next: ['take the newer one: ship lock', 'or keep the downloads of the build that had it (build.cache)'],
  })
}
