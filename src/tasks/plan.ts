/** Which tasks run, in which order, on which hosts. Pure: everything that cannot be is refused here, before a host is reached. */
import { resolve } from 'node:path'
import { posix } from 'node:path'
import type { Environment } from '../config/environment.ts'
import { nearest } from '../config/nearest.ts'
import { taskObject, type TaskConfig } from '../config/tasks.ts'
import { ShipError } from '../errors.ts'
import type { TaskFunction } from '../machine.ts'
import { parseHostName } from '../names.ts'
import type { Host } from '../transport/transport.ts'

type Tasks = Readonly<Record<string, TaskConfig>>

/** What runs on each of `hosts`. */
export interface Job {
  /** Name of the task, or "exec". */
  readonly step: string
  readonly hosts: readonly Host[]
  /** Undefined: a task that only needs others. */
  readonly work: Program | { readonly call: TaskFunction } | undefined
  /** Why no host runs it, when `hosts` is empty. */
  readonly idle?: string | undefined
  readonly isLocal: boolean
  /** Hosts at a time; undefined: as many as ship reaches at once. */
  readonly atOnce: number | undefined
  /** No further host begins after one has failed. */
  readonly stopAtFailure: boolean
  readonly timeoutMs: number | undefined
  /** The folder on a host. */
  readonly cwd: (host: Host) => string
  /** `may`: the login folder when it does not exist. */
  readonly folder: 'must' | 'may'
  readonly env: Readonly<Record<string, string>>
  readonly secrets: Readonly<Record<string, string>>
  readonly args: readonly string[]
}

interface Program {
  readonly title: string
  readonly argv: readonly string[]
  readonly isText: boolean
}

/** A word by itself is text for `sh`, with what follows as "$@"; several are a program and its arguments. */
export function programOf(run: string | readonly string[], args: readonly string[]): Program {
  if (typeof run !== 'string') return { title: [...run, ...args].join(' '), argv: [...run, ...args], isText: false }
  return { title: [run, ...args].join(' '), argv: ['sh', '-c', run, 'ship', ...args], isText: true }
}

/** A task and all it needs, each once, what is needed first. Throws reason `usage` for a name that is none. */
export function taskOrder(tasks: Tasks, wanted: string): readonly string[] {
  const names = Object.keys(tasks)
  if (!Object.hasOwn(tasks, wanted)) {
    const near = nearest(wanted, names)
    const hint = near === undefined ? '' : `; did you mean "${near}"?`
    const next = names.length === 0 ? 'add it to "tasks" in the configuration' : `known: ${names.join(', ')}`
    throw new ShipError('usage', `there is no task "${wanted}"${hint}`, { next: [next] })
  }
  const order: string[] = []
  const visit = (name: string): void => {
    if (order.includes(name)) return
    const task = tasks[name]
    if (task === undefined) return
    for (const needed of taskObject(task).needs) visit(needed)
    order.push(name)
  }
  visit(wanted)
  return order
}

/** The jobs of a task. Throws reason `usage` for a missing secret, and for a task that no chosen host has the role of. */
export function taskJobs(
  tasks: Tasks,
  wanted: string,
  options: {
    readonly environment: Environment
    readonly args: readonly string[]
    readonly env: Readonly<Record<string, string | undefined>>
  },
): readonly Job[] {
  const { environment, args, env } = options
  return taskOrder(tasks, wanted).map((name) => {
    const task = tasks[name]
    if (task === undefined) throw new TypeError(`no task "${name}"`)
    const { run, roles, once, local, parallel, timeout, cwd, env: own, secrets } = taskObject(task)
    const words = name === wanted ? args : []
    const hosts = local ? [localHost(environment.projectDir)] : hostsFor(environment.hosts, roles, once)
    if (hosts.length === 0 && name === wanted) throw noHost(name, roles, environment)
    const work = typeof run === 'function' ? { call: run } : run === undefined ? undefined : programOf(run, words)
    if (words.length > 0 && work === undefined) throw new ShipError('usage', `task "${name}" takes no arguments`)
    const atOnce = parallel === true ? undefined : parallel === false ? 1 : parallel
    return {
      step: name,
      hosts,
      work,
      idle: hosts.length === 0 ? `no chosen host has a role of ${roles.join(', ')}` : undefined,
      isLocal: local,
      atOnce,
      stopAtFailure: atOnce === 1,
      timeoutMs: timeout,
      cwd: (host) =>
        local ? resolve(environment.projectDir, cwd ?? '.') : posix.resolve(host.deployTo, cwd ?? 'current'),
      folder: 'must',
      env: own,
      secrets: secretsOf(name, secrets, env),
      args: words,
    }
  })
}

function hostsFor(hosts: readonly Host[], roles: readonly string[], once: boolean): readonly Host[] {
  const mine = hosts.filter((host) => roles.length === 0 || host.roles.some((role) => roles.includes(role)))
  return once ? mine.slice(0, 1) : mine
}

function noHost(task: string, roles: readonly string[], environment: Environment): ShipError {
  const known = [...new Set(environment.hosts.flatMap((host) => host.roles))]
  const near = roles.map((role) => nearest(role, known)).find((role) => role !== undefined)
  const hint = near === undefined ? '' : `; did you mean "${near}"?`
  return new ShipError('usage', `no chosen host has a role of task "${task}": ${roles.join(', ')}${hint}`, {
    next: [`roles of these hosts: ${known.join(', ') || 'none'}`],
  })
}

/** Secrets come from the environment of ship alone; none is ever in a configuration or an argument. */
function secretsOf(
  task: string,
  names: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  return Object.fromEntries(
    names.map((name) => {
      const value = env[name]
      if (value !== undefined && value !== '') return [name, value]
      throw new ShipError('usage', `task "${task}" wants the secret "${name}", which is not set`, {
        next: [`set ${name} in the environment of ship`],
      })
    }),
  )
}

/** This machine as a host of a local task. */
function localHost(projectDir: string): Host {
  const nothing = { roles: [], labels: {}, env: {} }
  return { name: parseHostName('local'), address: 'local', deployTo: projectDir, transport: 'local', ...nothing }
}
