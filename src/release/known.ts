/**
 * Which releases the hosts of an environment had when they were last asked, for the completion of shells. It is only ever shown: what is
 * done rests on what hosts say.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cacheFolder, keepInCache } from '../cache-folder.ts'
import type { ReleaseRecord } from '../host/session.ts'
import { liveRecord, type Observed } from './observe.ts'
import type { Plan } from './plan.ts'
import { newestFirst } from './retention.ts'

export interface KnownRelease {
  readonly version: string
  readonly state: string
}

type Seen = Pick<ReleaseRecord, 'version' | 'state' | 'seq'>

/** Keeps what a run that went well left: its target is verified, and what a rollback came from is bad. */
export function keepAfter({ app, environment, target, kind }: Plan, observed: readonly Observed[]): Promise<void> {
  const before = observed.flatMap(({ state }): Seen[] => {
    const left = kind === 'rollback' ? liveRecord(state)?.version : undefined
    return state.releases.map((r) => (r.version === left ? { ...r, state: 'bad' } : r))
  })
  const seq = Math.max(0, ...before.map((r) => r.seq)) + 1
  const others = before.filter(({ version }) => version !== target)
  return keepKnown(app, environment, [...others, { version: target, state: 'verified', seq }])
}

/** Keeps what was seen on all hosts. Nothing seen is nothing known: what was kept stays. Best effort: a read-only home is no reason to fail. */
export async function keepKnown(app: string, environment: string, seen: readonly Seen[]): Promise<void> {
  if (seen.length === 0) return
  const all = new Map<string, string>()
  for (const record of seen.toSorted(newestFirst)) {
    if (all.get(record.version) !== 'verified') all.set(record.version, record.state)
  }
  await keepInCache(pathOf(app, environment), JSON.stringify([...all].map(([version, state]) => ({ version, state }))))
}

/** The newest first; empty when nothing was seen yet. */
export async function knownReleases(app: string, environment: string): Promise<readonly KnownRelease[]> {
  const text = await readFile(join(cacheFolder(), pathOf(app, environment)), 'utf8').catch(() => '[]')
  const parsed: unknown = JSON.parse(text)
  return Array.isArray(parsed) ? parsed.filter(isKnown) : []
}

function isKnown(value: unknown): value is KnownRelease {
  if (typeof value !== 'object' || value === null) return false
  return 'version' in value && typeof value.version === 'string' && 'state' in value && typeof value.state === 'string'
}

/** Both names are of letters that a file may have. */
function pathOf(app: string, environment: string): string {
  return join('known', `${app}@${environment}.json`)
}
