/** Can a host take part at all, whatever is planned? Every refusal of that kind is worded here. Pure. */
import type { Environment } from '../config/environment.ts'
import { ShipError } from '../errors.ts'
import type { DebFile, HostState } from '../host/session.ts'
import type { Host } from '../transport/transport.ts'
import { formProblem } from './fit-package.ts'
import { describeGate } from './gate.ts'

const UNTOUCHED = 'nothing was changed on any host'

/** Why a host cannot take part at all, whatever is planned; undefined when it can. Needs of a release's tree come on top. */
export function unfit(environment: Environment, host: Host, state: HostState, deb?: DebFile): ShipError | undefined {
  return unfitness(environment, host, state, deb)[0]
}

/** The same, all of it, for who wants to mend everything at once. */
export function unfitness(environment: Environment, host: Host, state: HostState, deb?: DebFile): readonly ShipError[] {
  const closed = rightsProblem(state.notWritable === undefined ? state.closed : undefined, host.deployTo)
  return [...unfitnessToGoBack(environment, host, state, deb), ...(closed ? [closed] : [])]
}

/** Why a host cannot switch to a release that is there already: it takes fewer rights than to stage one. */
export function unfitToGoBack(environment: Environment, host: Host, state: HostState): ShipError | undefined {
  return unfitnessToGoBack(environment, host, state)[0]
}

function unfitnessToGoBack(
  environment: Environment,
  host: Host,
  state: HostState,
  deb?: DebFile,
): readonly ShipError[] {
  const { deployTo } = host
  return [
    // What else is known of the host was found out by these.
    toolsProblem(state),
    formatProblem(state),
    obstacleProblem(state, deployTo),
    rightsProblem(state.notWritable, deployTo),
    fileSystemProblem(state, deployTo),
    formProblem(host, state, deb),
    shellProblem(environment, host, state),
  ].filter((problem) => problem !== undefined)
}

/** Why this ship must not change what a newer one wrote: it would not know which releases are good, and in which order they came. */
export function formatProblem({ newer = [] }: HostState): ShipError | undefined {
  if (newer.length === 0) return undefined
  const what =
    newer.length === 1
      ? `the record of release ${newer.join()} was`
      : `the records of releases ${newer.join(', ')} were`
  return new ShipError('refused', `${what} written by a newer ship`, {
    state: UNTOUCHED,
    next: ['run it with that ship: npm install --save-dev slipway@latest'],
  })
}

function obstacleProblem(state: HostState, deployTo: string): ShipError | undefined {
  if (state.current.kind === 'obstacle') {
    return new ShipError('not-switched', `"${deployTo}/current" is a ${state.current.what}, not a link`, {
      state: UNTOUCHED,
      next: [
        `move it away on the host: mv ${deployTo}/current ${deployTo}/current.old`,
        'then run the same command again',
      ],
    })
  }
  return undefined
}

function rightsProblem(notWritable: string | undefined, deployTo: string): ShipError | undefined {
  if (notWritable !== undefined) {
    return new ShipError('not-switched', notWritable, {
      state: UNTOUCHED,
      next: [`on the host: mount it writable; or once, as root: install -d -o <deploy user> ${deployTo}`],
    })
  }
  return undefined
}

/** Why nothing can be done on a host at all: a program that the scripts there are made of is missing. */
export function toolsProblem(state: HostState): ShipError | undefined {
  const lacking = missingTools(state)
  if (lacking.length > 0) {
    return new ShipError('not-switched', `the host lacks ${lacking.join(', ')}`, {
      state: UNTOUCHED,
      next: [
        'install coreutils, findutils, grep, sed, awk, tar and gzip (or a BusyBox that has them) on the host',
        "or mend the PATH of its logins: ssh HOST 'echo $PATH'",
      ],
    })
  }
  return undefined
}

function fileSystemProblem(state: HostState, deployTo: string): ShipError | undefined {
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

/** Why a host that runs no programs cannot take part: something of the configuration is to run there. */
function shellProblem(environment: Environment, host: Host, state: HostState): ShipError | undefined {
  if (state.withoutShell === undefined) return undefined
  const concerns = ({ role }: { readonly role: string | undefined }): boolean =>
    role === undefined || host.roles.includes(role)
  const hooks = Object.values(environment.hooks)
    .flat()
    .filter((hook) => hook.local !== true && concerns(hook))
  const runs = new Set(['exec', 'systemd'])
  const checks = environment.health.filter((spec) => runs.has(spec.kind) && spec.from === 'host' && concerns(spec))
  const details = [
    ...hooks.map((hook) => `hook: ${hook.title}`),
    ...checks.map((spec) => `check: ${describeGate(spec)}`),
    ...(environment.confirmMs === undefined ? [] : ['confirm: nothing there can go back by itself']),
  ]
  if (details.length === 0) return undefined
  return new ShipError('not-switched', 'the host gives its files by SFTP and runs no programs', {
    state: UNTOUCHED,
    details,
    next: [
      ...(environment.confirmMs === undefined ? [] : ['leave "confirm" out, or write confirm: false']),
      'give these a role that this host does not have, ask by http or tcp instead, or give the deploy user a shell',
    ],
  })
}

function missingTools(state: HostState): string[] {
  const { tools } = state
  const wanted: [string, boolean][] = [
    ['sha256sum', tools.sha256sum],
    ['tar', tools.tar],
    ['gzip or zstd', tools.gzip || tools.zstd],
    ['"mv -T"', tools.mvT || tools.lacks?.includes('mv') === true],
  ]
  return [...wanted.filter(([, there]) => !there).map(([name]) => name), ...(tools.lacks ?? [])]
}
