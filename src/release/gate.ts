/**
 * The gate: is the release healthy? Each configured check is asked again and again until it was good often enough in a row, or its
 * deadline has passed.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Environment, GateSpec } from '../config/environment.ts'
import { ShipError, throwIfAborted } from '../errors.ts'
import type { GateHost, GateMemory } from '../gates/gate.ts'
import { gateByKey } from '../gates/index.ts'
import type { HostPlan } from './plan.ts'

/** One line for plans: what is asked and what is expected. */
export function describeGate(spec: GateSpec): string {
  const from = spec.from === 'client' ? ', asked from this machine' : ''
  const hold = spec.holdMs > 0 ? `, for ${spec.holdMs / 1000} s` : ''
  return `${gateByKey(spec.kind).describe(spec.options)}${hold}${from}`
}

/** The same of the host's own way back. */
export function describeConfirm({ confirmMs }: Environment, action: HostPlan['action']): readonly string[] {
  if (confirmMs === undefined || action === 'none' || action === 'resume') return []
  return [`reached over a new connection within ${confirmMs / 1000} s, else the host goes back by itself`]
}

/**
 * Passes when every check passed; resolves with what the last answers said. Rejects with what was seen when the first of them failed;
 * the others are not waited for, but their last answers are told.
 */
export async function passGate(specs: readonly GateSpec[], host: GateHost, signal: AbortSignal): Promise<string> {
  const others = new AbortController()
  const common = AbortSignal.any([signal, others.signal])
  const asked = specs.map((spec): Asked => ({ spec, memory: new Map(), seen: [] }))
  const passing = asked.map((one) =>
    pass(one, host, common).catch((error: unknown) => {
      others.abort(error)
      throw error
    }),
  )
  const settled = await Promise.allSettled(passing)
  throwIfAborted(signal)
  if (others.signal.aborted) throw withOthers(others.signal.reason, asked)
  return settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : [])).join('; ')
}

/** Asks each check exactly once, for `status`. */
export async function askOnce(
  specs: readonly GateSpec[],
  host: GateHost,
  signal: AbortSignal,
): Promise<{ ok: boolean; said: string }> {
  const answers = await Promise.all(specs.map((spec) => ask({ spec, memory: new Map(), seen: [] }, host, signal)))
  return { ok: answers.every((a) => a.ok), said: answers.map((a) => a.said).join('; ') }
}

/** One check while it is asked on one host. */
interface Asked {
  readonly spec: GateSpec
  readonly memory: GateMemory
  /** Answers, each that differs from the one before, with its time. */
  readonly seen: string[]
}

async function pass(asked: Asked, host: GateHost, signal: AbortSignal): Promise<string> {
  const { spec, seen } = asked
  const started = performance.now()
  let inARow = 0
  let goodSince: number | undefined
  let wasGood = false
  for (;;) {
    const begun = performance.now() - started
    const answer = await ask(asked, host, signal)
    const now = performance.now() - started
    inARow = answer.ok ? inARow + 1 : 0
    goodSince = answer.ok ? (goodSince ?? begun) : undefined
    const isEnough = inARow >= spec.successes
    wasGood ||= isEnough
    const second = (begun / 1000).toFixed(1)
    if (seen.at(-1)?.endsWith(`: ${answer.said}`) !== true) seen.push(`after ${second} s: ${answer.said}`)
    if (isEnough && goodSince !== undefined && now - goodSince >= spec.holdMs) return answer.said
    // Whoever was well in time is watched to the end of "hold", even when that lies behind the deadline.
    const mayHold = isEnough && spec.holdMs > 0
    const left = spec.deadlineMs - now
    if (!mayHold && left <= 0) throw failed(asked, answer.said, wasGood)
    // The last question is asked when the time is up.
    await sleep(mayHold ? spec.intervalMs : Math.min(spec.intervalMs, left), undefined, { signal }).catch(() =>
      throwIfAborted(signal),
    )
  }
}

function failed({ spec, seen }: Asked, said: string, wasGood: boolean): ShipError {
  const within = `within ${spec.deadlineMs / 1000} s`
  const what = wasGood && spec.holdMs > 0 ? `did not stay healthy for ${spec.holdMs / 1000} s` : `not healthy ${within}`
  return new ShipError('not-switched', `${what}: ${said}`, {
    details: [`gate: ${describeGate(spec)}`, ...seen.slice(-10)],
  })
}

/** The error of the check that failed, with the last answers of those that were not waited for. */
function withOthers(error: unknown, asked: readonly Asked[]): unknown {
  if (!(error instanceof ShipError)) return error
  const lines = asked.flatMap(({ spec, seen }) => {
    const title = `gate: ${describeGate(spec)}`
    const [last] = seen.slice(-1)
    return error.details.includes(title) || last === undefined ? [] : [title, last]
  })
  const { reason, message, host, step, state, next, details, cause } = error
  return new ShipError(reason, message, { host, step, state, next, details: [...details, ...lines], cause })
}

async function ask(
  { spec, memory }: Asked,
  host: GateHost,
  signal: AbortSignal,
): Promise<{ ok: boolean; said: string }> {
  const late = AbortSignal.timeout(spec.timeoutMs)
  const place = spec.from === 'client' && host.client ? { ...host.client, names: host.names ?? {} } : host
  try {
    return await gateByKey(spec.kind).probe(place, spec.options, AbortSignal.any([signal, late]), memory)
  } catch (error) {
    throwIfAborted(signal)
    if (late.aborted) return { ok: false, said: `no answer within ${spec.timeoutMs / 1000} s` }
    throw error
  }
}
