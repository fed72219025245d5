/** Host states for tables: a host as a probe would answer, with what a case needs changed. */
import type { Current, HostState, ReleaseRecord, ReleaseState } from '../../src/host/session.ts'
import { parseVersion } from '../../src/version.ts'

export function record(
  version: string,
  state: ReleaseState,
  seq: number,
  more: Partial<ReleaseRecord> = {},
): ReleaseRecord {
  return {
    schema: 1,
    version: parseVersion(version),
    digest: `digest-of-${version}`,
    state,
    seq,
    previous: null,
    pinned: false,
    shared: [],
    by: 'ada@desk',
    run: 'r0',
    stagedAt: '2026-01-01T00:00:00Z',
    ...more,
  }
}

export function linkTo(version: string): Current {
  return { kind: 'link', target: `releases/${version}`, version: parseVersion(version), dangling: false }
}

export function hostState(more: Partial<HostState> = {}): HostState {
  return {
    current: { kind: 'absent' },
    releases: [],
    foreign: [],
    lock: undefined,
    missingShared: [],
    partial: new Map(),
    done: new Set(),
    disk: { freeBytes: 1e12, freeInodes: 1e6 },
    tools: { zstd: true, gzip: true, sha256sum: true, tar: true, mvT: true },
    clock: 1_700_000_000,
    platform: 'Linux x86_64',
    notWritable: undefined,
    oneFileSystem: true,
    ...more,
  }
}
