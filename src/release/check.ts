/**
 * Would a release work? Every host is asked, and everything that stands in the way is found at once, each with its cure. Changes
 * nothing: it asks what a plan asks, and whether programs are there.
 */
import type { Environment } from '../config/environment.ts'
import { ShipError } from '../errors.ts'
import { connect, forHosts } from '../fleet/fleet.ts'
import type { HostSession, HostState } from '../host/session.ts'
import type { Io } from '../io.ts'
import { runLocal } from '../process.ts'
import type { Runner } from '../runner.ts'
import type { Host } from '../transport/transport.ts'
import { bundleProblem, sharedProblem, type Target } from './fit.ts'
import { unfitness } from './fit-host.ts'
import { runningNow } from './observe.ts'
import { describeLock } from './owner.ts'
import { programsHere, programsOnHost, type WantedProgram } from './wanted-programs.ts'

export interface HostCheck {
  readonly host: string
  /** In the order in which a release would meet them. */
  readonly problems: readonly ShipError[]
  /** What a release gets along with, or what passes by itself. */
  readonly warnings: readonly string[]
  readonly reached: boolean
  /** What `current` points at. */
  readonly runs?: string | undefined
  readonly freeBytes?: number | undefined
  /** Seconds that the host's clock is ahead of this one. */
  readonly clockAheadSeconds?: number | undefined
  readonly platform?: string | undefined
}

export interface EnvironmentCheck {
  /** Of this machine. */
  readonly problems: readonly ShipError[]
  readonly hosts: readonly HostCheck[]
}

/** Certificates and tokens start to fail about there. */
const CLOCK_SECONDS = 60
const PATIENCE_MS = 20_000
const UNTOUCHED = 'nothing was changed on any host'

/** Looks at this machine and at every host. `target` is what would be released; without it only the hosts are looked at. */
export async function checkEnvironment(
  environment: Environment,
  target: Target | undefined,
  io: Io,
): Promise<EnvironmentCheck> {
  for (const message of environment.idle ?? []) io.emit({ event: 'warning', message })
  const here = lackingHere(environment, io)
  const sessions = await connect(environment.hosts, io)
  try {
    const results = await forHosts(environment.hosts, async (host) => {
      const found = sessions.find((s) => s.host === host)
      if (found?.ok !== true) throw found?.error
      return checkHost(environment, found.value, target, io)
    })
    const hosts = results.map((r): HostCheck => (r.ok ? r.value : notReached(r.host, r.error)))
    return { problems: await here, hosts }
  } finally {
    await Promise.allSettled(sessions.flatMap((s) => (s.ok ? [s.value.close()] : [])))
  }
}

/** A defect is none of the host's. */
function notReached(host: Host, error: unknown): HostCheck {
  if (!(error instanceof ShipError)) throw error
  return { host: host.name, problems: [error], warnings: [], reached: false }
}

async function checkHost(
  environment: Environment,
  session: HostSession,
  target: Target | undefined,
  io: Io,
): Promise<HostCheck> {
  const { host } = session
  const { files, optionalFiles } = environment.shared
  const before = Date.now()
  const state = await session.probe({ sharedFiles: [...files, ...optionalFiles] }, { signal: io.signal })
  const clockAheadSeconds = Math.round(state.clock - (before + Date.now()) / 2000)
  const fits = [
    ...unfitness(environment, host, state, target?.deb),
    sharedProblem(environment, host, state),
    target && bundleProblem(environment, host, target, state, {}),
  ].filter((problem) => problem !== undefined)
  const programs = state.withoutShell ? [] : await lackingOn(session, programsOnHost(environment, host), io)
  return {
    host: host.name,
    problems: unique([...fits, ...programs]),
    warnings: warningsOf(state, clockAheadSeconds),
    reached: true,
    runs: runningNow(state),
    freeBytes: state.disk.freeBytes,
    clockAheadSeconds,
    platform: state.platform,
  }
}

function warningsOf({ lock, withoutShell }: HostState, ahead: number): readonly string[] {
  const way = ahead > 0 ? 'ahead of' : 'behind'
  return [
    ...(Math.abs(ahead) > CLOCK_SECONDS ? [`its clock is ${Math.abs(ahead)} s ${way} this machine's`] : []),
    ...(lock ? [`locked: ${describeLock(lock)}`] : []),
    ...(withoutShell ? [`files by SFTP only, no shell: ${withoutShell.join('; ')}`] : []),
  ]
}

async function lackingOn(session: HostSession, wanted: readonly WantedProgram[], io: Io): Promise<ShipError[]> {
  const missing = await lacking((argv, options) => session.run(argv, options), wanted, io)
  return missing.map(
    ({ program, by }) =>
      new ShipError('not-switched', `there is no program "${program}", which ${by} calls`, {
        state: UNTOUCHED,
        next: [
          `install it on the host, or give its whole path: ${program} is looked for in the PATH of a login by SSH`,
        ],
      }),
  )
}

async function lackingHere(environment: Environment, io: Io): Promise<ShipError[]> {
  const missing = await lacking(runLocal, programsHere(environment), io)
  return missing.map(
    ({ program, by }) =>
      new ShipError('not-switched', `this machine has no program "${program}", which ${by} calls`, {
        state: UNTOUCHED,
        next: [`install it here, or give its whole path`],
      }),
  )
}

/** Those of the programs that a shell does not find. */
async function lacking(
  run: Runner,
  wanted: readonly WantedProgram[],
  { signal }: Io,
): Promise<readonly WantedProgram[]> {
  if (wanted.length === 0) return []
  const text = 'for one; do command -v "$one" >/dev/null 2>&1 || printf "%s\\n" "$one"; done'
  const argv = ['sh', '-c', text, 'sh', ...wanted.map(({ program }) => program)]
  // The folder of the app may not be there yet.
  const { stdout } = await run(argv, { cwd: '/', signal, timeoutMs: PATIENCE_MS, maxOutputBytes: 64 * 1024 })
  const names = stdout.split('\n')
  return wanted.filter(({ program }) => names.includes(program))
}

/** A cause that two looks found is told once. */
function unique(problems: readonly ShipError[]): readonly ShipError[] {
  return problems.filter((one, i) => problems.findIndex(({ message }) => message === one.message) === i)
}
