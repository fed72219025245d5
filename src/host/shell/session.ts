/** The contract of session.ts by few fixed scripts, one round trip each, over a transport that has a shell. */
import { Readable, Transform } from 'node:stream'
import { ShipError, type Reason } from '../../errors.ts'
import { escapeControls, newToken, type Token } from '../../names.ts'
import { openTransport } from '../../transport/index.ts'
import type { Transport } from '../../transport/transport.ts'
import { isVersion } from '../../version.ts'
import { keepLease, type KeptLease } from '../lease.ts'
import type { Drift, HostSession, HostState } from '../session.ts'
import { readHistoryLine, readState } from '../state.ts'
import { call, type CallOptions, type Verb } from './call.ts'
import { valuesOf, type Answer } from './frame.ts'
import { runOnHost } from './run.ts'

/** How long a silent lock holder is believed when nobody says otherwise. */
const LEASE_SECONDS = 30
/** Unpacking and syncing a big release on a slow disk, or removing thousands. */
const LONG_MS = 1_800_000
/** A journal above this is read from its end only. */
const MAX_HISTORY_BYTES = 64 * 1024 * 1024
const MAX_MANIFEST_BYTES = 256 * 1024 * 1024

/** What a script's own refusal means, by its code. */
const REASONS: Record<string, Reason> = {
  locked: 'locked',
  refused: 'refused',
  moved: 'refused',
  damaged: 'refused',
  gone: 'refused',
  missing: 'not-switched',
  obstacle: 'not-switched',
  write: 'not-switched',
}

/** `leases`: those of the session before, over a connection that was lost. */
export function shellSession(transport: Transport, leases = new Map<Token, KeptLease>()): HostSession {
  const { host } = transport

  const ask = async (verb: Verb, args: readonly string[], options: CallOptions): Promise<Answer> => {
    const answer = await call(transport, verb, args, options)
    if (answer.end === 'ok') return answer
    throw new ShipError(REASONS[answer.end] ?? 'not-switched', answer.reason || `the host refused "${verb}"`)
  }

  for (const lease of leases.values()) lease.through((token) => beat(transport, token))

  return {
    host,
    get connected() {
      return transport.connected
    },

    async probe({ sharedFiles }, { signal }): Promise<HostState> {
      return readState(await ask('probe', sharedFiles, { signal }), LEASE_SECONDS)
    },

    async lock(owner, { sharedFiles }, options) {
      const args = [owner.token, JSON.stringify(owner), options.takeOver ?? '-', ...sharedFiles]
      const answer = await ask('lock', args, { signal: options.signal, timeoutMs: LONG_MS })
      const lease = keepLease(owner, options.leaseSeconds, (token) => beat(transport, token))
      leases.set(owner.token, lease)
      return { lease, state: readState(answer, options.leaseSeconds) }
    },

    async fence(lease, { signal }) {
      const kept = leases.get(lease.token)
      if (!kept) throw new TypeError('no lease of this session')
      const owner = { ...kept.owner, token: newToken() }
      const answer = await ask('lock', [owner.token, JSON.stringify(owner), kept.token], { signal, timeoutMs: LONG_MS })
      leases.delete(kept.token)
      kept.renew(owner.token)
      leases.set(kept.token, kept)
      return readState(answer, LEASE_SECONDS)
    },

    async stage(payload, spec, lease, { signal, onProgress }) {
      const { version, record, checksDigest, entries, tree, sharedDirs, sharedFiles } = spec
      const fixed = [lease.token, version, record.digest, JSON.stringify(record), checksDigest, String(entries)]
      const args = [...fixed, tree, payload.compression, String(sharedDirs.length), ...sharedDirs, ...sharedFiles]
      await ask('stage', args, { signal, stdin: counted(payload.open(), onProgress), timeoutMs: LONG_MS })
    },

    async drift(version, { signal }): Promise<Drift[]> {
      const state = readState(await ask('probe', [], { signal }), LEASE_SECONDS)
      const shared = state.releases.find((r) => r.version === version)?.shared ?? []
      const answer = await ask('drift', [version, ...shared], { signal, timeoutMs: LONG_MS })
      return valuesOf(answer, 'drift').map(readDrift)
    },

    async discard(version, lease, { signal }) {
      await ask('discard', [lease.token, version], { signal, timeoutMs: LONG_MS })
    },

    async switchTo(target, lease, { signal, expected, record }) {
      const written = record ? [record.version, JSON.stringify(record)] : ['-', '-']
      const answer = await call(transport, 'switch', [lease.token, target ?? '-', expected ?? '-', ...written], {
        signal,
      })
      if (answer.end === 'ok') return
      if (answer.end !== 'moved') throw new ShipError(REASONS[answer.end] ?? 'not-switched', answer.reason)
      const now = answer.reason === '-' ? 'nothing' : `"${answer.reason}"`
      throw new ShipError(
        'refused',
        `"current" points at ${now}, not at ${expected === null ? 'nothing' : `"${expected}"`} as planned`,
      )
    },

    async mark(records, history, lease, { signal }) {
      const pairs = records.flatMap((r) => [r.version, JSON.stringify(r)])
      const answer = await ask('mark', [lease.token, history ? JSON.stringify(history) : '-', ...pairs], { signal })
      return { problem: valuesOf(answer, 'problem')[0] }
    },

    async prune(versions, lease, { signal }) {
      const stdin = Readable.from([versions.map((v) => `${v}\n`).join('')])
      const answer = await ask('prune', [lease.token], { signal, stdin, timeoutMs: LONG_MS })
      const kept = valuesOf(answer, 'kept').flatMap((value) => {
        const [name = '', ...why] = value.split(' ')
        return isVersion(name) ? [{ version: name, why: escapeControls(why.join(' ')) }] : []
      })
      return { kept, freedBytes: Math.max(0, Number(valuesOf(answer, 'freed')[0] ?? 0) || 0) }
    },

    async unlock(lease, { signal }) {
      leases.get(lease.token)?.stop()
      leases.delete(lease.token)
      await ask('unlock', [lease.token], { signal })
    },

    async history(limit) {
      const content = await transport.read(`${host.deployTo}/.ship/history.ndjson`, MAX_HISTORY_BYTES)
      const lines = content?.toString('utf8').split('\n') ?? []
      return lines.flatMap((line) => readHistoryLine(line) ?? []).slice(-limit)
    },

    async manifest(version) {
      const content = await transport.read(
        `${host.deployTo}/.ship/manifests/${version}.manifest.json`,
        MAX_MANIFEST_BYTES,
      )
      return content?.toString('utf8')
    },

    run: (argv, options) => runOnHost(transport, argv, options),
    dial: (address, port, signal) => transport.dial(address, port, signal),
    async reopen({ signal }) {
      await transport.close().catch(() => undefined)
      return shellSession(await openTransport(host, { signal }), leases)
    },
    async close() {
      for (const lease of leases.values()) lease.stop()
      await transport.close()
    },
  }
}

async function beat(transport: Transport, token: Token): Promise<boolean> {
  const answer = await call(transport, 'beat', [token], { signal: AbortSignal.timeout(10_000) })
  return answer.end !== 'locked'
}

function readDrift(value: string): Drift {
  const [problem = '', ...path] = value.split(' ')
  const known = (['missing', 'changed', 'added', 'mode'] as const).find((p) => p === problem)
  return { path: escapeControls(path.join(' ')), problem: known ?? 'changed' }
}

/** The stream, telling how much of it was taken. */
function counted(stream: Readable, onProgress: ((sentBytes: number) => void) | undefined): Readable {
  if (!onProgress) return stream
  let sent = 0
  const counter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      sent += chunk.length
      onProgress(sent)
      done(null, chunk)
    },
  })
  stream.on('error', (error) => counter.destroy(error))
  return stream.pipe(counter)
}
