/**
 * Which releases of a host a new one can be put together from: those whose manifests are known here. A manifest is named by its digest,
 * which the host's record carries, so one that was seen before need not be asked for again.
 */
import { digestOf } from '../formats/check-lists.ts'
import { lackingFiles, type Base } from '../formats/delta.ts'
import type { HostSession, HostState, ReleaseRecord } from '../host/session.ts'
import { parseManifest, type Manifest } from '../tree/manifest.ts'
import { keepManifest, seenManifest } from '../tree/seen.ts'
import { liveRecord } from './observe.ts'
import { newestFirst } from './retention.ts'

/** Each is compared with the bundle; a file is seldom found in the fourth that the first three did not have. */
const MAX_BASES = 3

/** Where less than this is lacking, it is sent sooner than another manifest is read. */
const WORTH_ANOTHER_BYTES = 4 * 1024 * 1024

/** The live release first, then the newest, until little of the target is lacking. What cannot be read is left out: then more is sent. */
export async function basesOn(
  target: Pick<Manifest, 'entries'>,
  state: HostState,
  { session, signal }: { readonly session: HostSession; readonly signal: AbortSignal },
): Promise<Base[]> {
  const live = liveRecord(state)
  const others = state.releases.filter((r) => r.version !== live?.version).toSorted(newestFirst)
  const bases: Base[] = []
  for (const record of [...(live ? [live] : []), ...others]) {
    if (bases.length === MAX_BASES || (bases.length > 0 && isEnough(target, bases))) break
    const { version, digest, shared } = record
    // One is worth asking for; more only when that costs nothing.
    const manifest = await (bases.length === 0 ? manifestOf(record, session, signal) : seenManifest(digest))
    if (manifest) bases.push({ version, digest, shared, manifest })
  }
  return bases
}

/** Whether so little of a target is lacking that no other base is looked for. */
export function isEnough(target: Pick<Manifest, 'entries'>, bases: readonly Base[]): boolean {
  return lackingFiles(target, bases).reduce((sum, { size }) => sum + size, 0) < WORTH_ANOTHER_BYTES
}

/** Manifest of a release on a host, as its digest vouches for it: seen before, else asked for. Undefined when it cannot be had. */
export async function manifestOf(
  record: ReleaseRecord,
  session: HostSession,
  signal: AbortSignal,
): Promise<Manifest | undefined> {
  return (await seenManifest(record.digest)) ?? askedManifest(record, session, signal)
}

async function askedManifest(
  { version, digest }: ReleaseRecord,
  session: HostSession,
  signal: AbortSignal,
): Promise<Manifest | undefined> {
  const text = await session.manifest(version, { signal }).catch(() => undefined)
  const manifest = text === undefined ? undefined : ofDigest(text, digest)
  if (manifest) await keepManifest(manifest, digest)
  return manifest
}

function ofDigest(text: string, digest: string): Manifest | undefined {
  try {
    // Its text is the canonical one, or it is not what the digest stands for.
    return digestOf(text) === digest ? parseManifest(text) : undefined
  } catch {
    return undefined
  }
}
