/**
 * Frames of a probe -> HostState. What comes from a host is data of unknown origin: a record that does not read as one makes its
 * release foreign, which is never touched; nothing here trusts a length, a number or a name.
 */
import { z } from 'zod'
import { escapeControls } from '../names.ts'
import { compareVersions, isVersion } from '../version.ts'
import type { DebState } from './deb-state.ts'
import type { Current, HistoryLine, HostState, LockState, Owner, ReleaseRecord } from './session.ts'
import { valuesOf, type Answer } from './shell/frame.ts'

const version = z.string().refine(isVersion)
const text = z
  .string()
  .max(2000)
  .transform((value) => escapeControls(value))

/** What a newer ship added to this form is kept when the record is written again. Nothing of it reaches a terminal as it came. */
const addition = z.json().transform((value) => escaped(value))

const recordSchema = z
  .object({
    schema: z.literal(1),
    version,
    digest: z.string().regex(/^[0-9a-f]{64}$/),
    state: z.enum(['staged', 'live', 'verified', 'failed', 'bad']),
    seq: z.int().min(0),
    previous: z.string().max(4096).nullable(),
    pinned: z.boolean(),
    shared: z.array(z.string().max(4096)).max(10_000),
    by: text,
    run: text,
    url: text.optional(),
    commit: text.optional(),
    stagedAt: text,
    liveAt: text.optional(),
    verifiedAt: text.optional(),
    noReturn: z.object({ hook: text, version, seq: z.int().min(0) }).optional(),
    deb: z
      .object({ package: text, version: text, sha256: z.string().regex(/^[0-9a-f]{64}$/), sizeBytes: z.int().min(0) })
      .optional(),
  })
  .catchall(addition)

const ownerSchema = z.object({
  schema: z.literal(1),
  token: z.string().regex(/^[0-9a-f]{32}$/),
  run: text,
  user: text,
  client: z.object({ host: text, bootId: text, pid: z.int(), startTime: text }),
  doing: text,
  url: text.optional(),
  since: text,
})

const historySchema = z.object({
  schema: z.literal(1),
  at: text,
  run: text,
  by: text,
  action: z.enum(['release', 'rollback', 'put-back', 'pin', 'unpin', 'prune', 'unlock']),
  version: text.nullable(),
  from: text.nullable(),
  outcome: z.enum(['ok', 'failed']),
  digest: text.optional(),
  url: text.optional(),
  note: text.optional(),
})

/** A probe's answer as a state. `leaseSeconds`: how long a silent lock holder is believed. */
export function readState(answer: Answer, leaseSeconds: number): HostState {
  const one = (key: string): string | undefined => valuesOf(answer, key)[0]
  const records = valuesOf(answer, 'record').map(parseRecord)
  const foreign = [...valuesOf(answer, 'foreign'), ...records.flatMap((r) => (typeof r === 'string' ? [r] : []))]
  const known = records.flatMap((r) => (typeof r === 'string' ? [] : [r]))
  const current = readCurrent(answer, known)
  const live = current.kind === 'link' ? current.version : undefined
  const deb = readDeb(answer)
  const tools = new Set(valuesOf(answer, 'tool'))
  const inodes = Number(one('inodes') || Number.NaN)
  return {
    current,
    // A record says "live" just before the rename; when `current` is elsewhere, that run died in between and the release is staged.
    releases: known
      .map((r) => (r.state === 'live' && r.version !== live ? { ...r, state: 'staged' as const } : r))
      .toSorted((a, b) => a.seq - b.seq || compareVersions(a.version, b.version)),
    foreign: foreign.map((name) => escapeControls(name)).toSorted(),
    newer: valuesOf(answer, 'record').flatMap(newerName),
    lock: readLock(answer, leaseSeconds),
    missingShared: valuesOf(answer, 'missing').map((name) => escapeControls(name)),
    partial: new Map(valuesOf(answer, 'partial').flatMap(readPartial)),
    done: new Set(valuesOf(answer, 'done').map((key) => escapeControls(key))),
    disk: {
      freeBytes: Number(one('disk') || 0) * 1024,
      freeInodes: inodes > 0 || one('inodes') === '0' ? inodes : undefined,
    },
    tools: {
      zstd: tools.has('zstd'),
      gzip: tools.has('gzip'),
      sha256sum: tools.has('sha256sum'),
      tar: tools.has('tar'),
      mvT: tools.has('mv-T'),
      lacks: valuesOf(answer, 'lacks').map((name) => escapeControls(name)),
      rsync: tools.has('rsync'),
      // A package is sent whole.
      ...(deb ? { copy: false } : {}),
    },
    clock: Number(one('clock') || 0),
    platform: escapeControls(one('uname') ?? ''),
    notWritable: one('blocked') === undefined ? undefined : escapeControls(one('blocked') ?? ''),
    closed: one('closed') === undefined ? undefined : escapeControls(one('closed') ?? ''),
    oneFileSystem: one('apart') === undefined,
    otherForm: one('other') === undefined ? undefined : escapeControls(one('other') ?? ''),
    deb,
    withoutShell: undefined,
  }
}

/** One line of history; undefined when it is none of ours, or of a newer ship. */
export function readHistoryLine(line: string): HistoryLine | undefined {
  const parsed = historySchema.safeParse(json(line))
  return parsed.success ? parsed.data : undefined
}

function readPartial(value: string): [string, number][] {
  const [, id = '', bytes = ''] = /^([0-9a-f]{32}) (\d{1,15})$/.exec(value) ?? []
  return id === '' ? [] : [[id, Number(bytes)]]
}

function readCurrent(answer: Answer, known: readonly ReleaseRecord[]): Current {
  const [kind = '', ...rest] = (valuesOf(answer, 'current')[0] ?? 'absent').split(' ')
  if (kind === 'directory' || kind === 'file') return { kind: 'obstacle', what: kind }
  if (kind !== 'link') return { kind: 'absent' }
  const target = rest.join(' ')
  const dangling = valuesOf(answer, 'dangling').length > 0
  // A package that somebody installed by hand may have the same version of the app and yet be another one.
  const installed = readDeb(answer)?.version
  const found = known.find((r) => target === `releases/${r.version}` && r.deb?.version === installed)
  return { kind: 'link', target, version: dangling ? undefined : found?.version, dangling }
}

/** Undefined where archives are unpacked. */
function readDeb(answer: Answer): DebState | undefined {
  const [, word = '', installed = ''] = /^(\w+) (.*)$/.exec(valuesOf(answer, 'deb')[0] ?? '') ?? []
  const status = (['absent', 'left', 'installed', 'broken'] as const).find((one) => one === word)
  if (status === undefined) return undefined
  const tools = new Set(valuesOf(answer, 'tool'))
  return {
    status,
    version: installed === '' ? undefined : escapeControls(installed),
    onHold: valuesOf(answer, 'hold').length > 0,
    apt: tools.has('apt'),
    asRoot: tools.has('root'),
  }
}

/** A record, or the name of a folder whose record cannot be read. */
function parseRecord(value: string): ReleaseRecord | string {
  const space = value.indexOf(' ')
  const name = value.slice(0, space)
  const parsed = recordSchema.safeParse(json(value.slice(space + 1)))
  return parsed.success && parsed.data.version === name ? parsed.data : name
}

/** The name of a release whose record has a later number of its form than this ship knows. */
function newerName(value: string): string[] {
  const space = value.indexOf(' ')
  const parsed = z.looseObject({ schema: z.int().min(2) }).safeParse(json(value.slice(space + 1)))
  return parsed.success ? [escapeControls(value.slice(0, space))] : []
}

function escaped(value: unknown): unknown {
  if (typeof value === 'string') return escapeControls(value)
  if (Array.isArray(value)) return value.map(escaped)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [escapeControls(key), escaped(one)]))
}

/**
 * The holder is whose name the folder bears. What it says of its owner may be missing or another's, when a run died while it took the lock
 * or a power cut came: then its signs of life alone count.
 */
function readOwner(answer: Answer): Owner | undefined {
  const token = ownerSchema.shape.token.safeParse(valuesOf(answer, 'holder')[0])
  if (!token.success) return undefined
  const parsed = ownerSchema.safeParse(json(valuesOf(answer, 'owner')[0] ?? ''))
  if (parsed.success && parsed.data.token === token.data) return parsed.data as unknown as Owner
  const said = parsed.success
    ? parsed.data
    : { schema: 1, run: 'unknown', user: 'somebody', doing: 'a run', since: 'unknown' }
  const client = { host: '', bootId: '', pid: 0, startTime: '' }
  return { ...said, token: token.data, client } as unknown as Owner
}

function readLock(answer: Answer, leaseSeconds: number): LockState | undefined {
  const owner = readOwner(answer)
  if (!owner) return undefined
  const [now = '', boot = ''] = (valuesOf(answer, 'now')[0] ?? '').split(' ')
  const [beat = '', beatBoot = ''] = (valuesOf(answer, 'beat')[0] ?? '').split(' ')
  // A run without a shell sees no uptime of the host and writes its wall clock.
  const since = beatBoot === boot ? now : beatBoot === 'none' ? (valuesOf(answer, 'clock')[0] ?? '') : ''
  const silent = since !== '' && beat !== '' ? Math.max(0, Number(since) - Number(beat)) : Number.POSITIVE_INFINITY
  const silentSeconds = Number.isNaN(silent) ? Number.POSITIVE_INFINITY : silent
  return { owner, silentSeconds, expired: silentSeconds > leaseSeconds }
}

function json(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
