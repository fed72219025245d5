/** One job on one host: a program, or a function of the configuration that is given the host. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Environment } from '../config/environment.ts'
import { messageOf, ShipError, throwIfAborted } from '../errors.ts'
import { HostError } from '../host-error.ts'
import type { Io } from '../io.ts'
import type { TaskContext, TaskFunction } from '../machine.ts'
import { masker } from '../remote/lines.ts'
import { machineOver } from '../remote/over-transport.ts'
import { runProgram } from '../remote/program.ts'
import type { RunResult } from '../runner.ts'
import type { Host, Transport } from '../transport/transport.ts'
import type { Job } from './plan.ts'

/** What a host has said so far; filled while it runs, so that a failure finds it too. Not masked. */
export interface Heard {
  stdout: string
  stderr: string
  truncated: boolean
  code?: number | null | undefined
  signal?: string | undefined
  note?: string | undefined
}

/** Kept of each stream of a host for the answer. */
const MAX_KEPT = 1024 * 1024
/** A function that is no longer wanted is given this long to end the programs it runs. */
const LEAVE_MS = 15_000

export async function perform(
  job: Job,
  host: Host,
  at: { readonly transport: Transport; readonly heard: Heard; readonly environment: Environment; readonly io: Io },
): Promise<void> {
  const { transport, heard, environment, io } = at
  const { work } = job
  if (work === undefined) return
  const tell = (text: string, stream: 'stdout' | 'stderr'): void =>
    io.emit({ event: 'log', step: job.step, host: host.name, text, stream })
  const options = {
    cwd: job.cwd(host),
    folder: job.folder,
    env: { ...factsOf(job, host, environment, io), ...host.env, ...job.env },
    secrets: job.secrets,
    signal: io.signal,
    maxOutputBytes: MAX_KEPT,
  }
  if ('argv' in work) {
    try {
      const result = await runProgram(transport, work, { ...options, timeoutMs: job.timeoutMs, onOutput: tell })
      take(heard, result)
    } catch (error) {
      if (error instanceof HostError) take(heard, error.result)
      throw withNext(error, job)
    }
    return
  }
  const onOutput = (line: string, stream: 'stdout' | 'stderr'): void => {
    hear(heard, line, stream)
    tell(line, stream)
  }
  await callFunction(work.call, job, { ...at, host, options: { ...options, onOutput }, onOutput })
}

function factsOf(job: Job, host: Host, environment: Environment, io: Io): Record<string, string> {
  return {
    SHIP_TASK: job.step,
    SHIP_APP: environment.app,
    SHIP_ENVIRONMENT: environment.name,
    SHIP_HOST: host.name,
    SHIP_ROLES: host.roles.join(','),
    SHIP_DEPLOY_TO: host.deployTo,
    SHIP_RUN: io.run,
  }
}

function take(heard: Heard, { stdout = '', stderr = '', truncated = false, code, signal }: Partial<RunResult>): void {
  Object.assign(heard, { stdout, stderr, truncated, code, signal })
}

function hear(heard: Heard, line: string, stream: 'stdout' | 'stderr'): void {
  if (heard[stream].length < MAX_KEPT) heard[stream] += `${line}\n`
  else heard.truncated = true
}

/** The usual cause of a missing folder is a host without a release. */
function withNext(error: unknown, { isLocal }: Job): unknown {
  if (!(error instanceof HostError) || error.kind !== 'bad-folder' || isLocal) return error
  return error.at({
    next: ['where nothing was released yet: ship release; or give another folder ("cwd" of the task, --in)'],
  })
}

interface Call {
  readonly transport: Transport
  readonly heard: Heard
  readonly host: Host
  readonly environment: Environment
  readonly io: Io
  readonly options: Parameters<typeof machineOver>[2]
  readonly onOutput: (line: string, stream: 'stdout' | 'stderr') => void
}

async function callFunction(call: TaskFunction, job: Job, at: Call): Promise<void> {
  const { transport, heard, host, environment, io, options, onOutput } = at
  const late = job.timeoutMs === undefined ? undefined : AbortSignal.timeout(job.timeoutMs)
  const signal = late ? AbortSignal.any([io.signal, late]) : io.signal
  const machine = machineOver(transport, host.name, { ...options, signal })
  const { name, roles, labels, deployTo } = host
  const mask = masker(Object.values(job.secrets))
  const context: TaskContext = {
    task: job.step,
    app: environment.app,
    environment: environment.name,
    host: job.isLocal ? undefined : { name, roles, labels, deployTo },
    args: job.args,
    projectDir: environment.projectDir,
    signal,
    log: (line) => onOutput(mask(line), 'stdout'),
  }
  try {
    const value = await untilAborted(async () => call(machine, context), signal)
    if (typeof value === 'string') heard.note = mask(value)
  } catch (error) {
    throwIfAborted(io.signal)
    if (late?.aborted === true) {
      const said = `task "${job.step}" was still running after ${(job.timeoutMs ?? 0) / 1000} s and was ended`
      throw new HostError('timeout', said, { cause: error })
    }
    if (error instanceof ShipError) throw withNext(error, job)
    throw new HostError('exit', `task "${job.step}" threw: ${mask(messageOf(error))}`, {
      cause: error,
      details: placeOf(error),
    })
  }
}

/** A function may not look at the signal: it is left alone after a while. */
function untilAborted<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const leave = (): void => void sleep(LEAVE_MS, undefined, { ref: false }).then(() => reject(signal.reason))
    if (signal.aborted) leave()
    signal.addEventListener('abort', leave, { once: true })
    work()
      .then(resolve, reject)
      .finally(() => signal.removeEventListener('abort', leave))
  })
}

/** Where in the user's own code it happened. */
function placeOf(error: unknown): string[] {
  const lines = error instanceof Error ? (error.stack ?? '').split('\n') : []
  return lines
    .filter((line) => /^\s+at /.test(line) && !line.includes('node:'))
    .slice(0, 1)
    .map((line) => line.trim())
}
