/**
 * Tells a webhook how a release or a rollback ended. Whatever goes wrong with that is a warning: the run is over, and its result stands.
 * The body is `{"text": ...}`, which Slack, Mattermost, Rocket.Chat and others take.
 */
import type { Environment } from '../config/environment.ts'
import { messageOf, ShipError } from '../errors.ts'
import { reportOf, type ErrorReport } from '../events.ts'
import type { RunReport } from '../release/release.ts'
import { count } from '../ui/measure.ts'
import type { Context } from './command.ts'
import { inTime } from './report-text.ts'

/** How long a person waits for somebody else to be told. */
const PATIENCE_MS = 5000

/** What is about to be done, for those who hear that it failed before there was a report. */
export interface Doing {
  readonly environment: Environment
  /** "release shop 1.4.2" */
  readonly what: string
}

/** Runs the work and tells how it ended; resolves and rejects as the work does. */
export async function telling(
  { environment, what }: Doing,
  context: Context,
  work: () => Promise<RunReport>,
): Promise<RunReport> {
  try {
    const report = await work()
    if (report.plan.hosts.some((host) => host.action !== 'none'))
      await tell(environment, report.error === undefined ? 'success' : 'failure', reportText(report, context), context)
    return report
  } catch (error) {
    if (error instanceof ShipError) {
      const text = failureText(`${what} to ${environment.name}`, reportOf(error), context)
      await tell(environment, 'failure', text, context)
    }
    throw error
  }
}

async function tell(
  { notify }: Environment,
  ended: 'success' | 'failure',
  text: string,
  { env, io }: Context,
): Promise<void> {
  if (!notify?.on.includes(ended)) return
  const warn = (why: string): void =>
    io.emit({
      event: 'warning',
      message: `the webhook was not told: ${why}`,
      next: ['see "notify" of the configuration'],
    })
  const isAddress = /^https?:\/\//.test(notify.webhook)
  const url = isAddress ? notify.webhook : env[notify.webhook]
  if (url === undefined || url === '') return warn(`the variable ${notify.webhook} is not set`)
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ text }),
      // The address is a secret: it is not given to whom the webhook points at.
      redirect: 'error',
      signal: AbortSignal.timeout(PATIENCE_MS),
    })
    await response.body?.cancel()
    if (!response.ok) warn(`it answered ${response.status}`)
  } catch (error) {
    warn(reasonOf(error))
  }
}

/** Without the address, which what fetch says may hold. */
function reasonOf(error: unknown): string {
  if (error instanceof Error && error.name === 'TimeoutError') return `no answer within ${PATIENCE_MS / 1000} s`
  const cause = error instanceof Error ? error.cause : undefined
  if (cause instanceof Error && 'code' in cause) return String(cause.code)
  return error instanceof TypeError && /URL/.test(messageOf(error))
    ? 'its address is no URL'
    : 'it could not be reached'
}

function reportText(report: RunReport, context: Context): string {
  const { plan, hosts, behind, error } = report
  const what = `${plan.app} ${plan.target}`
  if (error !== undefined) {
    const verb = plan.kind === 'rollback' ? 'rollback' : 'release'
    return failureText(`${verb} of ${what} to ${plan.environment}`, reportOf(error), context)
  }
  const on = hosts.length - behind.length
  const verb = plan.kind === 'rollback' ? 'is back' : 'is live'
  const left =
    behind.length === 0 ? '' : `; ${count(behind.length, 'host')} behind: ${behind.map((b) => b.host).join(', ')}`
  return signed(`${what} ${verb} on ${count(on, 'host')} of ${plan.environment}, ${inTime(report)}${left}`, context)
}

function failureText(what: string, { host, step, message, state }: ErrorReport, context: Context): string {
  const place = [host, step].filter((part) => part !== undefined).join(', ')
  const said = `${what} failed: ${place === '' ? '' : `${place}: `}${message}`
  return signed([said, ...(state === undefined ? [] : [state])].join('\n'), context)
}

/** Who and where; what Slack takes for markup is escaped. */
function signed(text: string, { io }: Context): string {
  const by = `by ${io.by}${io.url === undefined ? '' : `, ${io.url}`}`
  return `${text}\n${by}`.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
