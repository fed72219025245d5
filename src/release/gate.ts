/**
 * The gate: is the release healthy? Each configured check is asked again and again until it was good often enough in a row, or its
 * deadline has passed.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { GateSpec } from '../config/environment.ts'
import { ShipError, throwIfAborted } from '../errors.ts'
import type { GateHost } from '../gates/gate.ts'
import { gateByKey } from '../gates/index.ts'

/** One line for plans: what is asked and what is expected. */
export function describeGate(spec: GateSpec): string {
  return gateByKey(spec.kind).describe(spec.options)
}

/** Passes when every check passed; resolves with what the last answers said. Rejects with what was seen when the deadline came. */
export async function passGate(specs: readonly GateSpec[], host: GateHost, signal: AbortSignal): Promise<string> {
  const said = await Promise.all(specs.map((spec) => pass(spec, host, signal)))
  return said.join('; ')
}

/** Asks each check exactly once, for `status`. */
export async function askOnce(
  specs: readonly GateSpec[],
  host: GateHost,
  signal: AbortSignal,
): Promise<{ ok: boolean; said: string }> {
  const answers = await Promise.all(specs.map((spec) => ask(spec, host, signal)))
  return { ok: answers.every((a) => a.ok), said: answers.map((a) => a.said).join('; ') }
}

async function pass(spec: GateSpec, host: GateHost, signal: AbortSignal): Promise<string> {
  const started = Date.now()
  const seen: string[] = []
  let inARow = 0
  for (;;) {
    const answer = await ask(spec, host, signal)
    inARow = answer.ok ? inARow + 1 : 0
    const second = ((Date.now() - started) / 1000).toFixed(1)
    if (seen.at(-1)?.endsWith(answer.said) !== true) seen.push(`after ${second} s: ${answer.said}`)
    if (inARow >= spec.successes) return answer.said
    if (Date.now() - started + spec.intervalMs > spec.deadlineMs) {
      throw new ShipError('not-switched', `not healthy within ${spec.deadlineMs / 1000} s: ${answer.said}`, {
        details: [`gate: ${describeGate(spec)}`, ...seen.slice(-10)],
      })
    }
    await sleep(spec.intervalMs, undefined, { signal }).catch(() => throwIfAborted(signal))
  }
}

async function ask(spec: GateSpec, host: GateHost, signal: AbortSignal): Promise<{ ok: boolean; said: string }> {
  const late = AbortSignal.timeout(spec.timeoutMs)
  try {
    return await gateByKey(spec.kind).probe(host, spec.options, AbortSignal.any([signal, late]))
  } catch (error) {
    throwIfAborted(signal)
    if (late.aborted) return { ok: false, said: `no answer within ${spec.timeoutMs / 1000} s` }
    throw error
  }
}
