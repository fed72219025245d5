/**
 * Hooks: the owner's own commands around the transaction. A hook gets its facts by environment (`SHIP_*`), runs in the folder of
 * the release it is about, and its output is kept: shown with `-v`, and its last lines with a failure.
 */
import type { Environment } from '../config/environment.ts'
import type { Hook, HookPoint } from '../config/hooks.ts'
import { ShipError } from '../errors.ts'
import type { Io } from '../io.ts'
import type { Runner } from '../runner.ts'
import type { Host } from '../transport/transport.ts'
import { isVersion } from '../version.ts'
import type { HostPlan } from './plan.ts'

const TAIL_LINES = 20

/** Hooks of a point that run on a host, whatever their conditions say. `once` hooks run on the first busy host of their role. */
export function hooksFor(hooks: readonly Hook[], host: Host | undefined, busy: readonly Host[]): Hook[] {
  if (!host) return []
  const hasRole = (hook: Hook, one: Host): boolean => hook.role === undefined || one.roles.includes(hook.role)
  return hooks.filter((hook) => {
    if (hook.local === true || !hasRole(hook, host)) return false
    return !hook.once || busy.find((one) => hasRole(hook, one))?.name === host.name
  })
}

/** Points at which hooks run for an action; what a dead run already did before its switch is not done again. */
export function hookPoints(action: HostPlan['action']): readonly HookPoint[] {
  if (action === 'none') return []
  return action === 'resume'
    ? ['afterSwitch', 'afterVerify']
    : ['beforeStage', 'beforeSwitch', 'afterSwitch', 'afterVerify']
}

/** What cannot be taken back is part of going forward: the release that is gone back to has done its own already. */
export function runsFor({ noReturn = false }: Hook, action: HookFacts['action']): boolean {
  return !noReturn || action === 'release'
}

/** Facts a hook is told. Paths are absolute; versions are empty when there is none. */
export interface HookFacts {
  readonly environment: Environment
  readonly host: Host
  readonly action: 'release' | 'rollback' | 'put-back'
  readonly version: string
  readonly previous: string
  readonly digest: string
  /** Folder in which hooks run. */
  readonly cwd: string
}

/** Environment of hooks and of exec gates. */
export function hookEnv(facts: HookFacts, io: Io): Record<string, string> {
  const { deployTo } = facts.host
  return {
    SHIP_ACTION: facts.action,
    SHIP_APP: facts.environment.app,
    SHIP_ENVIRONMENT: facts.environment.name,
    SHIP_HOST: facts.host.name,
    SHIP_ROLES: facts.host.roles.join(','),
    SHIP_DEPLOY_TO: deployTo,
    SHIP_RELEASE_PATH: isVersion(facts.version) ? `${deployTo}/releases/${facts.version}` : '',
    SHIP_VERSION: facts.version,
    SHIP_PREVIOUS: facts.previous,
    SHIP_DIGEST: facts.digest,
    SHIP_RUN: io.run,
    ...facts.host.env,
  }
}

/** How hooks of one point are run in one place. */
export interface HookPlace {
  /** Undefined: this machine. */
  readonly host: string | undefined
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  readonly runner: (hook: Hook) => Runner
  readonly io: Io
  readonly signal: AbortSignal
}

/**
 * Runs hooks in order; resolves with how many ran. Rejects with reason `not-switched`, which the transaction turns into what it means
 * for the fleet.
 */
export async function runHooks(point: HookPoint, hooks: readonly Hook[], place: HookPlace): Promise<number> {
  const { host, cwd, env, io, signal } = place
  for (const hook of hooks) {
    const tail: string[] = []
    const result = await place.runner(hook)(hook.argv, {
      cwd,
      env: { ...env, ...hook.env },
      timeoutMs: hook.timeoutMs,
      signal,
      onOutput: (text) => {
        tail.push(...text.split('\n').filter((line) => line !== ''))
        tail.splice(0, tail.length - TAIL_LINES)
        const where = host === undefined ? {} : { host }
        io.emit({ event: 'log', step: point, ...where, text: text.replace(/\n$/, '') })
      },
    })
    if (result.code === 0) continue
    const how = result.timedOut
      ? `was still running after ${hook.timeoutMs / 1000} s and was ended`
      : result.code === null
        ? `was ended by ${result.signal ?? 'a signal'}`
        : `ended with exit code ${result.code}`
    throw new ShipError('not-switched', `${point} hook "${hook.title}" ${how}`, { host, details: tail })
  }
  return hooks.length
}
