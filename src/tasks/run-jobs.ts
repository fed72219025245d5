/**
 * Runs jobs on hosts: one job after the other, each on its hosts at once. Each host answers for itself; a job whose needs failed anywhere
 * does not begin. Output is told line by line as it comes.
 */
import type { Environment } from '../config/environment.ts'
import { ShipError } from '../errors.ts'
import { reportOf, type ErrorReport } from '../events.ts'
import { forHosts } from '../fleet/fleet.ts'
import { inStep, type Io } from '../io.ts'
import { masker } from '../remote/lines.ts'
import type { Host } from '../transport/transport.ts'
import { machines, type Machines } from './machines.ts'
import { perform, type Heard } from './perform.ts'
import type { Job } from './plan.ts'

/** What one host answered. Output is masked, and kept up to a limit. */
export interface HostAnswer {
  readonly host: string
  readonly outcome: 'ok' | 'failed' | 'skipped'
  readonly code?: number | null | undefined
  readonly signal?: string | undefined
  readonly stdout: string
  readonly stderr: string
  readonly truncated: boolean
  readonly durationMs: number
  /** What a function returned, or why the host was skipped. */
  readonly note?: string | undefined
  readonly error?: ErrorReport | undefined
}

export interface JobAnswer {
  readonly step: string
  readonly hosts: readonly HostAnswer[]
  /** Why it did not run at all. */
  readonly skipped?: string | undefined
}

export interface JobsResult {
  readonly jobs: readonly JobAnswer[]
  /** For one error that names all hosts: what was thrown, by host. */
  readonly failures: readonly { readonly host: Host; readonly ok: false; readonly error: unknown }[]
}

export async function runJobs(jobs: readonly Job[], environment: Environment, io: Io): Promise<JobsResult> {
  const pool = machines(jobs, io)
  const answers: JobAnswer[] = []
  const failures: { readonly host: Host; readonly ok: false; readonly error: unknown }[] = []
  try {
    for (const job of jobs) {
      const why = io.signal.aborted ? 'interrupted' : failures.length > 0 ? 'a task that it needs failed' : job.idle
      if (why !== undefined || job.work === undefined) {
        if (why !== undefined) io.emit({ event: 'step.skipped', step: job.step, reason: why })
        answers.push({ step: job.step, hosts: [], skipped: why })
        continue
      }
      const turn = { failed: false }
      const done = await forHosts(job.hosts, (host) => onHost(job, host, { environment, io, pool, turn }), job.atOnce)
      const results = done.flatMap((result) => (result.ok ? [result.value] : []))
      answers.push({ step: job.step, hosts: results.map((result) => result.answer) })
      failures.push(
        ...results.flatMap(({ host, error }) => (error === undefined ? [] : [{ host, ok: false as const, error }])),
      )
      const defect = done.find((result) => !result.ok)
      if (defect && !defect.ok) throw defect.error
    }
  } finally {
    await pool.close()
  }
  return { jobs: answers, failures }
}

interface Place {
  readonly environment: Environment
  readonly io: Io
  readonly pool: Machines
  readonly turn: { failed: boolean }
}

interface Done {
  readonly host: Host
  readonly answer: HostAnswer
  readonly error: unknown
}

async function onHost(job: Job, host: Host, place: Place): Promise<Done> {
  const { environment, io, pool, turn } = place
  const at = { step: job.step, host: host.name }
  const nothing = { host: host.name, stdout: '', stderr: '', truncated: false, durationMs: 0 }
  if (io.signal.aborted || (job.stopAtFailure && turn.failed)) {
    const note = io.signal.aborted ? 'interrupted' : 'a host before it failed'
    io.emit({ event: 'step.skipped', ...at, reason: note })
    return { host, answer: { ...nothing, outcome: 'skipped', note }, error: undefined }
  }
  const mask = masker(Object.values(job.secrets))
  const started = performance.now()
  const heard: Heard = { stdout: '', stderr: '', truncated: false }
  const answer = (outcome: 'ok' | 'failed'): HostAnswer => {
    const { stdout, stderr, ...ended } = heard
    const durationMs = performance.now() - started
    return { ...nothing, ...ended, stdout: mask(stdout), stderr: mask(stderr), outcome, durationMs }
  }
  try {
    await inStep(io.emit, at, async () => {
      await pool.use(host, (transport) => perform(job, host, { transport, heard, environment, io }))
      return heard.note
    })
    return { host, answer: answer('ok'), error: undefined }
  } catch (error) {
    // A defect is none of the host's.
    if (!(error instanceof ShipError)) throw error
    turn.failed = true
    return { host, answer: { ...answer('failed'), error: reportOf(error) }, error }
  }
}
