/** What a run came to, as outputs of the step. */
import type { BuildReport } from '../build/build.ts'
import type { HostOutcome } from '../events.ts'
import type { RunReport } from '../release/release.ts'
import type { Ending } from '../ui/renderer.ts'

/** Exit codes as words that an `if:` can compare. 1 is a defect of ship, or the "no" of a command that answers yes or no. */
const RESULTS: ReadonlyMap<number, string> = new Map([
  [0, 'ok'],
  [1, 'differs'],
  [2, 'invalid'],
  [3, 'build-failed'],
  [4, 'unreachable'],
  [5, 'not-switched'],
  [6, 'put-back'],
  [7, 'stranded'],
  [8, 'locked'],
  [9, 'refused'],
  [130, 'cancelled'],
  [143, 'cancelled'],
])

export function resultOf({ exitCode, error }: Pick<Ending, 'exitCode' | 'error'>): string {
  if (exitCode === 1 && !(error instanceof Error && 'reason' in error)) return 'defect'
  return RESULTS.get(exitCode) ?? 'defect'
}

/** Values of the outputs in `action.yml`. Lists are JSON, for `fromJSON`. */
export function outputsOf(ending: Ending): Readonly<Record<string, string>> {
  const built = builtBy(ending)
  const released = releasedBy(ending)
  const before = [...new Set(hostsOf(ending).flatMap(({ before: version }) => version ?? []))]
  return {
    version: released?.plan.target ?? built?.version ?? '',
    previous: before.join(','),
    hosts: JSON.stringify(hostsOf(ending)),
    artifacts: JSON.stringify(built?.artifacts ?? []),
    result: resultOf(ending),
  }
}

export function hostsOf({ hosts }: Ending): readonly HostOutcome[] {
  return hosts ?? []
}

/** What `build` answered; undefined for other commands, and when it failed. */
export function builtBy({ command, data }: Ending): BuildReport | undefined {
  const is = command === 'build' && isRecord(data) && Array.isArray(data['artifacts'])
  return is ? (data as unknown as BuildReport) : undefined
}

type Released = Pick<RunReport, 'plan' | 'hosts' | 'durationMs'>

/** What `release` or `rollback` answered, also when it failed on the way; undefined for a plan only. */
export function releasedBy({ data }: Ending): Released | undefined {
  const is = isRecord(data) && isRecord(data['plan']) && Array.isArray(data['hosts'])
  return is ? (data as unknown as Released) : undefined
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
