/**
 * Does what is wanted fit a host? Every refusal before anything is touched is worded here. Pure.
 */
import type { Environment } from '../config/environment.ts'
import { ShipError } from '../errors.ts'
import type { HostState, ReleaseRecord } from '../host/session.ts'
import type { Host } from '../transport/transport.ts'
import type { Manifest } from '../tree/manifest.ts'
import { compareVersions, type Version } from '../version.ts'
import { size } from '../size.ts'
import { liveRecord } from './observe.ts'

/** What is released: the identity of a bundle and what it needs of a host. */
export interface Target {
  readonly manifest: Manifest
  readonly digest: string
}

export interface PlanOptions {
  /** Releasing something older than what is live is refused without it. */
  readonly allowDowngrade?: boolean | undefined
}

/** Room that unpacking takes beside the files' own bytes: a block per entry, and the journal. */
const ENTRY_BYTES = 4096
const SPARE_BYTES = 4 * 1024 * 1024
const SPARE_INODES = 64

const UNTOUCHED = 'nothing was changed on any host'

/** Why a host cannot take part at all, whatever is planned; undefined when it can. Needs of a release's tree come on top. */
export function hostProblem(state: HostState, deployTo: string): ShipError | undefined {
  if (state.current.kind === 'obstacle') {
    return new ShipError('not-switched', `"${deployTo}/current" is a ${state.current.what}, not a link`, {
      state: UNTOUCHED,
      next: [
        `move it away on the host: mv ${deployTo}/current ${deployTo}/current.old`,
        'then run the same command again',
      ],
    })
  }
  if (state.notWritable !== undefined) {
    return new ShipError('not-switched', state.notWritable, {
      state: UNTOUCHED,
      next: [`on the host, once, as root: install -d -o <deploy user> ${deployTo}`],
    })
  }
  const lacking = missingTools(state)
  if (lacking.length > 0) {
    return new ShipError('not-switched', `the host lacks ${lacking.join(', ')}`, {
      state: UNTOUCHED,
      next: ['install coreutils, tar and gzip (or a BusyBox that has them) on the host'],
    })
  }
  if (!state.oneFileSystem) {
    return new ShipError(
      'not-switched',
      `"${deployTo}/releases" and "${deployTo}/.ship" are on different file systems`,
      {
        state: UNTOUCHED,
        next: ['a release becomes visible by one rename, which cannot cross file systems: put both on one'],
      },
    )
  }
  return undefined
}

function missingTools(state: HostState): string[] {
  const { tools } = state
  const wanted: [string, boolean][] = [
    ['sha256sum', tools.sha256sum],
    ['tar', tools.tar],
    ['gzip or zstd', tools.gzip || tools.zstd],
    ['"mv -T"', tools.mvT],
  ]
  return wanted.filter(([, there]) => !there).map(([name]) => name)
}
/** Why a bundle cannot be released to a host in this state; undefined when it can. */
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
  if (record && record.digest !== digest) {
    return new ShipError('refused', `version ${version} is already on this host with other bytes`, {
      state: UNTOUCHED,
      details: [
        `on the host: manifest ${record.digest.slice(0, 16)}, staged by run ${record.run}`,
        `this bundle: manifest ${digest.slice(0, 16)}`,
      ],
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
        `to go back to a verified release: ship rollback ${version} -e ${environment.name}`,
        `if the older version is meant: ship release ${version} -e ${environment.name} --allow-downgrade`,
      ],
    })
  }
  const needs = manifest.platform === 'any' ? undefined : unamePlatform(state.platform)
  if (needs !== undefined && needs !== manifest.platform) {
    return new ShipError('refused', `the bundle is for ${manifest.platform}, the host is ${needs}`, {
      state: UNTOUCHED,
      next: ['build on the platform that the hosts have'],
    })
  }
  return sharedProblem(environment, host, state) ?? (record ? undefined : spaceProblem(target, state))
}

function sharedProblem(environment: Environment, host: Host, state: HostState): ShipError | undefined {
  const missing = environment.shared.files.filter((file) => state.missingShared.includes(file))
  if (missing.length === 0) return undefined
  const names = missing.map((file) => `"shared/${file}"`).join(', ')
  return new ShipError('not-switched', `${names} ${missing.length === 1 ? 'does' : 'do'} not exist on the host`, {
    state: UNTOUCHED,
    next: [
      ...missing.map((file) => `put it there once: scp ${file} ${host.name}:${host.deployTo}/shared/${file}`),
      'or list it under release.shared.optionalFiles',
    ],
  })
}

function spaceProblem({ manifest }: Target, state: HostState): ShipError | undefined {
  const bytes = manifest.entries.reduce((sum, e) => sum + (e.type === 'file' ? e.size : 0), 0)
  const needBytes = bytes + manifest.entries.length * ENTRY_BYTES + SPARE_BYTES
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
  const offer =
    verified.length > 0 ? `verified on this host: ${verified.join(', ')}` : 'no release of this host is verified'
  if (!record) return new ShipError('refused', `version ${version} is not on this host`, { details: [offer] })
  if (record.state === 'verified') return undefined
  return new ShipError(
    'refused',
    `version ${version} is "${record.state}" here, and only verified releases are rolled back to`,
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
