/**
 * Does what is wanted fit a host? Every refusal before anything is touched is worded here. Pure.
 */
import type { Environment } from '../config/environment.ts'
import { ShipError } from '../errors.ts'
import type { Missing } from '../fleet/results.ts'
import type { DebFile, HostState, ReleaseRecord } from '../host/session.ts'
import { quote } from '../shell.ts'
import type { Host } from '../transport/transport.ts'
import { contentBytes } from '../tree/entries.ts'
import type { Manifest } from '../tree/manifest.ts'
import { compareVersions, type Version } from '../version.ts'
import { size } from '../size.ts'
import { isOtherPackage } from './fit-package.ts'
import { unfit } from './fit-host.ts'
import { liveRecord } from './observe.ts'
import { releaseAcross } from './no-return.ts'
import type { SeenPools } from './pools.ts'

/** What is released: the identity of a bundle and what it needs of a host. */
export interface Target {
  readonly manifest: Manifest
  readonly digest: string
  /** The same as a package, where packages are released. */
  readonly deb?: DebFile | undefined
}

export interface PlanOptions {
  /** Releasing something older than what is live is refused without it. */
  readonly allowDowngrade?: boolean | undefined
  /** Going back behind a point of no return is refused without it. */
  readonly force?: boolean | undefined
  /** What the load balancers of the environment say. */
  readonly pools?: readonly SeenPools[] | undefined
  /** Hosts that were not reached and may be missing. */
  readonly missing?: readonly Missing[] | undefined
}

/** Room that unpacking takes beside the files' own bytes: a block per entry, and the journal. */
const ENTRY_BYTES = 4096
const SPARE_BYTES = 4 * 1024 * 1024
const SPARE_INODES = 64

const UNTOUCHED = 'nothing was changed on any host'

/** Why a release to a host in this state cannot be; undefined when it can. */
export function releaseProblem(
  environment: Environment,
  host: Host,
  target: Target,
  state: HostState,
  options: PlanOptions,
): ShipError | undefined {
  return unfit(environment, host, state, target.deb) ?? bundleProblem(environment, host, target, state, options)
}

/** Why a bundle cannot be released to a host that is fit; undefined when it can. */
export function bundleProblem(
  environment: Environment,
  host: Host,
  target: Target,
  state: HostState,
  options: PlanOptions,
): ShipError | undefined {
  const { manifest, digest } = target
  const { version } = manifest
  const record = state.releases.find((r) => r.version === version)
  if (record && (record.digest !== digest || isOtherPackage(record, target.deb))) {
    return new ShipError('refused', `version ${version} is already on this host with other bytes`, {
      state: UNTOUCHED,
      details: [`on the host: ${bytesOf(record)}, staged by run ${record.run}`, `this bundle: ${bytesOf(target)}`],
      next: ['a version never changes its bytes: build under a new one, for example: ship build --bump patch'],
    })
  }
  if (!record && state.foreign.includes(version)) {
    return new ShipError('refused', `"${host.deployTo}/releases/${version}" was not made by ship`, {
      state: UNTOUCHED,
      next: ['move that folder away, or build under another version'],
    })
  }
  const live = liveRecord(state)
  if (
    live &&
    compareVersions(version, live.version) < 0 &&
    options.allowDowngrade !== true &&
    live.state === 'verified'
  ) {
    return new ShipError('refused', `version ${version} is older than ${live.version}, which is live`, {
      state: UNTOUCHED,
      next: [
        ...(record?.state === 'verified'
          ? [`to go back to a verified release: ship rollback ${version} -e ${environment.name}`]
          : []),
        `if the older version is meant: ship release ${version} -e ${environment.name} --allow-downgrade`,
      ],
    })
  }
  const across = options.force === true ? undefined : releaseAcross(environment, version, state)
  if (across) return across
  const isKnown = manifest.platform !== 'any' && state.platform !== ''
  const needs = isKnown ? unamePlatform(state.platform) : undefined
  if (needs !== undefined && needs !== manifest.platform) {
    return new ShipError('refused', `the bundle is for ${manifest.platform}, the host is ${needs}`, {
      state: UNTOUCHED,
      next: ['build on the platform that the hosts have'],
    })
  }
  return sharedProblem(environment, host, state) ?? (record ? undefined : spaceProblem(target, state))
}

function bytesOf({ digest, deb }: Pick<Target, 'digest' | 'deb'>): string {
  return deb ? `package ${deb.version}, sha256 ${deb.sha256.slice(0, 16)}` : `manifest ${digest.slice(0, 16)}`
}

/** Links into shared/ that a host gets. */
export function linksOf(environment: Environment, state: HostState): string[] {
  const { dirs, files, optionalFiles } = environment.shared
  return [...dirs, ...files, ...optionalFiles.filter((file) => !state.missingShared.includes(file))]
}

/** Why the shared files of an environment stand in the way; undefined when they do not. */
export function sharedProblem(environment: Environment, host: Host, state: HostState): ShipError | undefined {
  const missing = environment.shared.files.filter((file) => state.missingShared.includes(file))
  if (missing.length === 0) return undefined
  const names = missing.map((file) => `"shared/${file}"`).join(', ')
  return new ShipError('not-switched', `${names} ${missing.length === 1 ? 'does' : 'do'} not exist on the host`, {
    state: UNTOUCHED,
    next: [
      ...missing.map((file) => `put it there once: ${copyCommand(file, host)}`),
      'or list it under release.shared.optionalFiles',
    ],
  })
}

/** As it can be typed: the folder may not be there yet. */
function copyCommand(file: string, { address, user, port, deployTo }: Host): string {
  const at = user === undefined ? address : `${user}@${address}`
  const path = `${deployTo}/shared/${file}`
  const make = `mkdir -p ${quote(path.slice(0, path.lastIndexOf('/')))}`
  const [ssh, scp] = port === undefined ? ['', ''] : [` -p ${port}`, ` -P ${port}`]
  return `ssh${ssh} ${at} ${quote(make)} && scp${scp} ${quote(file)} ${quote(`${at}:${path}`)}`
}

function spaceProblem({ manifest, deb }: Target, state: HostState): ShipError | undefined {
  const bytes = contentBytes(manifest.entries)
  const needBytes = bytes + manifest.entries.length * ENTRY_BYTES + SPARE_BYTES + (deb?.sizeBytes ?? 0)
  const needInodes = manifest.entries.length + SPARE_INODES
  const { freeBytes, freeInodes } = state.disk
  const next = ['free space on the host, or keep fewer releases (release.keep) and run: ship prune']
  if (freeBytes < needBytes) {
    const message = `not enough disk space: ${size(needBytes)} needed, ${size(freeBytes)} free`
    return new ShipError('not-switched', message, { state: UNTOUCHED, next })
  }
  if (freeInodes !== undefined && freeInodes < needInodes) {
    return new ShipError('not-switched', `not enough inodes: ${needInodes} needed, ${freeInodes} free`, {
      state: UNTOUCHED,
      next,
    })
  }
  return undefined
}

/** Why a host cannot go back to a version; undefined when it can. */
export function rollbackProblem(
  version: Version,
  record: ReleaseRecord | undefined,
  state: HostState,
): ShipError | undefined {
  const verified = state.releases.filter((r) => r.state === 'verified').map((r) => r.version)
  const offer = verified.length > 0 ? `verified there: ${verified.join(', ')}` : 'no release is verified there'
  if (!record) return new ShipError('refused', `version ${version} is not there`, { details: [offer] })
  if (record.state === 'verified') return undefined
  return new ShipError(
    'refused',
    `version ${version} is "${record.state}" there, and only verified releases are rolled back to`,
    {
      details: [offer],
      next: [`to try it again, through its gate: ship release ${version}`],
    },
  )
}

/** `uname -s -m` as a Node platform: "Linux x86_64" is "linux-x64". */
function unamePlatform(uname: string): string {
  const [system = '', machine = ''] = uname.split(' ')
  const cpus: Record<string, string> = {
    x86_64: 'x64',
    amd64: 'x64',
    aarch64: 'arm64',
    arm64: 'arm64',
    armv7l: 'arm',
    i686: 'ia32',
  }
  return `${system.toLowerCase()}-${cpus[machine] ?? machine}`
}
