/** Which releases may go. Pure. Only verified releases use up `keep`; nothing is ordered by a clock. */
import type { HostState, ReleaseRecord } from '../host/session.ts'
import { compareVersions, type Version } from '../version.ts'

/**
 * Releases to remove once `live` is verified. Kept: the live one, the one before it, pinned ones, and the newest verified ones
 * until `keep` are kept beside the pinned ones. Failed, bad and half-finished releases of earlier runs go.
 */
export function prunable(
  state: Pick<HostState, 'releases'>,
  live: Version,
  options: { readonly keep: number; readonly previous: string | null },
): Version[] {
  const predecessor = options.previous?.startsWith('releases/') ? options.previous.slice('releases/'.length) : undefined
  const kept = new Set<string>([live])
  const verified = state.releases
    .filter((r) => r.state === 'verified' && r.version !== live && !r.pinned)
    .toSorted(newestFirst)
  if (predecessor !== undefined && verified.some((r) => r.version === predecessor)) kept.add(predecessor)
  for (const release of verified) if (kept.size < options.keep) kept.add(release.version)
  return state.releases.filter((r) => !r.pinned && !kept.has(r.version)).map((r) => r.version)
}

type Ranked = Pick<ReleaseRecord, 'seq' | 'version'>

/** Order in which releases became live on a host, the newest first. */
export function newestFirst(a: Ranked, b: Ranked): number {
  return b.seq - a.seq || compareVersions(b.version, a.version)
}
