/** What a plan rests on: the part of the hosts' state that must not change between planning and acting. Pure. */
import { createHash } from 'node:crypto'
import type { Current, HostState, ReleaseRecord } from '../host/session.ts'
import { newestFirst } from './retention.ts'

/** A host's name with its state. */
export interface Observed {
  readonly host: string
  readonly state: HostState
}

/** Digest of everything a plan is made from: `current` and the releases of every host. Locks, clocks and free space move on. */
export function observedDigest(hosts: readonly Observed[]): string {
  const facts = hosts.map(({ host, state }) => [
    host,
    describeCurrent(state.current),
    state.releases.map((r) => [r.version, r.digest, r.state, r.seq, r.pinned]),
    [...state.foreign],
  ])
  return createHash('sha256').update(JSON.stringify(facts)).digest('hex')
}

/** Text of `current`'s link; null when there is no link. */
export function currentTarget(current: Current): string | null {
  return current.kind === 'link' ? current.target : null
}

/** The record of the release that `current` points at, when ship made it. */
export function liveRecord(state: HostState): ReleaseRecord | undefined {
  const { current } = state
  return current.kind === 'link' && !current.dangling
    ? state.releases.find((r) => r.version === current.version)
    : undefined
}

/** What a host runs, for people: the version of the live release, or the target of `current`. */
export function runningNow(state: HostState): string | undefined {
  return liveRecord(state)?.version ?? currentTarget(state.current) ?? undefined
}

/**
 * Where `current` is put back to when the run fails: where it points now, unless that release never went through its gate (its run
 * died): then to where it pointed before, or to the newest verified release. Null: there was nothing before, so nothing is put.
 */
export function wayBack(state: HostState): string | null {
  const { current } = state
  if (current.kind !== 'link') return null
  const live = liveRecord(state)
  if (!current.dangling && (!live || live.state === 'verified')) return current.target
  return beforeLive(state)
}

/** What was live before the live release, when it is still there; else the newest other release that is verified. */
export function beforeLive(state: HostState): string | null {
  const live = liveRecord(state)
  const before = live?.previous ?? null
  const stillThere =
    before !== null &&
    (!before.startsWith('releases/') || state.releases.some((r) => `releases/${r.version}` === before))
  if (stillThere) return before
  const others = state.releases.filter((r) => r.state === 'verified' && r.version !== live?.version)
  const [newest] = others.toSorted(newestFirst)
  return newest ? `releases/${newest.version}` : null
}

/** What `current` is, in words. */
function describeCurrent(current: Current): string {
  if (current.kind === 'absent') return 'nothing'
  if (current.kind === 'obstacle') return `a ${current.what}`
  return current.dangling ? `${current.target} (which does not exist)` : current.target
}
