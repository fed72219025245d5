/** The contract of session.ts by few fixed scripts, one round trip each, over a transport that has a shell. */
import { Readable } from 'node:stream'
import { isDeepStrictEqual } from 'node:util'
import { ShipError } from '../../errors.ts'
import { escapeControls, isToken, type Token } from '../../names.ts'
import { openTransport } from '../../transport/index.ts'
import type { Transport } from '../../transport/transport.ts'
import { isVersion } from '../../version.ts'
import { keepLease, LEASE_SECONDS, type KeptLease } from '../lease.ts'
import type { Drift, HostSession, HostState, Lease, ProbeQuestion } from '../session.ts'
import { MAX_HISTORY_BYTES, MAX_MANIFEST_BYTES } from '../sizes.ts'
import { readHistoryLine, readState } from '../state.ts'
import { askOver, LONG_MS, refusal, wellOrThrow, type Ask } from './ask.ts'
import { call, callThatGoesOn } from './call.ts'
import { valuesOf, type Answer } from './frame.ts'
import { armGuard, holdGuard } from './guard.ts'
import { runBehindSwitch, runOnHost, type RunBehind } from './run.ts'
import { sendPayload } from './send.ts'

export interface ShellOptions {
  /** Those of the session before, over a connection that was lost. */
  readonly leases?: Map<Lease, KeptLease>
  /** A probe that was sent with the login: its answer is given to the first one who asks the same. */
  readonly probed?: { readonly question: ProbeQuestion; readonly answer: Promise<Answer> } | undefined
}

export function shellSession(transport: Transport, { leases = new Map(), probed }: ShellOptions = {}): HostSession {
  const { host } = transport

  const ask = transport.oneByOne === true ? inTurn(askOver(transport)) : askOver(transport)
  /** What keeps guards quiet, by the run that they guard. */
  const held = new Map<string, () => void>()
  const keptOf = (lease: Lease): KeptLease => {
    const kept = leases.get(lease)
    if (!kept) throw new TypeError('no lease of this session')
    return kept
  }
  /** Stops what keeps a lock alive; false when it was given back before. */
  const letGo = (lease: Lease): boolean => {
    const kept = leases.get(lease)
    if (!kept) return false
    kept.stop()
    held.get(kept.owner.run)?.()
    return leases.delete(lease)
  }
  /** Who held the lock last when the state was read: a lock that is asked for later than another run's is too late. */
  let last = 'any'
  /** What the host has of rsync counts only over a transport that uses it. */
  const stateIn = (answer: Answer, leaseSeconds: number): HostState => {
    const state = readState(answer, leaseSeconds)
    const [holder] = valuesOf(answer, 'last')
    last = holder === undefined ? 'none' : isToken(holder) ? holder : 'any'
    const rsync = state.tools.rsync === true && transport.push !== undefined
    return { ...state, tools: { ...state.tools, rsync } }
  }
  const fenceBy = async (asked: Ask, lease: Lease, signal: AbortSignal): Promise<HostState> => {
    const kept = keptOf(lease)
    const answer = await kept.change((owner, from) => {
      return asked('lock', [owner.token, JSON.stringify(owner), from, 'any'], { signal, timeoutMs: LONG_MS })
    })
    held.get(kept.owner.run)?.()
    return stateIn(answer, LEASE_SECONDS)
  }

  for (const lease of leases.values()) lease.through((token) => beat(transport, token))
  let unasked = probed
  let behind: RunBehind | undefined

  return {
    host,
    get connected() {
      return transport.connected
    },

    async probe({ sharedFiles }, { signal }): Promise<HostState> {
      const early = isDeepStrictEqual(unasked?.question.sharedFiles, sharedFiles) ? unasked?.answer : undefined
      unasked = undefined
      const answer = early ?? ask('probe', sharedFiles, { signal })
      return stateIn(await answer, LEASE_SECONDS)
    },

    async lock(owner, { sharedFiles }, options) {
      const args = [owner.token, JSON.stringify(owner), options.takeOver ?? '-', last, ...sharedFiles]
      const how = { signal: options.signal, timeoutMs: LONG_MS }
      const { copy } = options
      // Where one question waits for another there is nothing to gain.
      const mayGoOn = !host.deb && transport.oneByOne !== true && transport.crowded !== true
      const copies = copy && mayGoOn ? [copy.base, copy.tree, copy.reuse] : undefined
      const answer = copies
        ? wellOrThrow('lock', await callThatGoesOn(transport, 'lock and copy', [...copies, ...args], how))
        : await ask('lock', args, how)
      const lease = keepLease(owner, options.leaseSeconds, (token) => beat(transport, token))
      leases.set(lease, lease)
      return { lease, state: stateIn(answer, options.leaseSeconds) }
    },

    fence: (lease, { signal }) => fenceBy(ask, lease, signal),

    async arm(wayBack, lease, { signal }) {
      const kept = keptOf(lease)
      await armGuard(ask, { host, owner: { ...kept.owner, token: kept.token } }, wayBack, signal)
      held.get(kept.owner.run)?.()
      held.set(kept.owner.run, holdGuard(transport, kept.token, wayBack.afterMs))
    },

    async renew(lease, { signal }) {
      const fresh = await openTransport(host, { signal, fresh: true })
      try {
        await fenceBy(askOver(fresh), lease, signal)
      } catch (error) {
        await fresh.close().catch(() => undefined)
        throw error
      }
      await transport.close().catch(() => undefined)
      return shellSession(fresh, { leases })
    },

    async stage(payload, spec, lease, options) {
      await sendPayload({ transport, ask, lease }, payload, spec, options)
    },

    async drift({ version, shared }, { signal, depth = 'full' }): Promise<Drift[]> {
      const answer = await ask('drift', [version, depth, ...shared], { signal, timeoutMs: LONG_MS })
      return valuesOf(answer, 'drift').map(readDrift)
    },

    async discard(version, lease, { signal }) {
      await ask('discard', [lease.token, version], { signal, timeoutMs: LONG_MS })
    },

    async switchTo(target, lease, { signal, expected, record, next }) {
      const written = record ? [record.version, JSON.stringify(record)] : ['-', '-']
      const limits = host.deb ? [host.deb.lockMs, host.deb.installMs].map((ms) => String(Math.ceil(ms / 1000))) : []
      const args = [lease.token, target ?? '-', expected ?? '-', ...written, ...limits]
      const limit = host.deb ? { timeoutMs: host.deb.switchMs } : {}
      behind = next && !host.deb ? runBehindSwitch(transport, args, next, signal) : undefined
      const answer = await (behind?.answer ?? call(transport, 'switch', args, { signal, ...limit }))
      if (answer.end === 'ok') return
      behind = undefined
      if (answer.end !== 'moved') throw refusal(answer, 'the host refused to switch')
      const now = answer.reason === '-' ? 'nothing' : `"${answer.reason}"`
      throw new ShipError(
        'refused',
        `"current" points at ${now}, not at ${expected === null ? 'nothing' : `"${expected}"`} as planned`,
      )
    },

    async mark(records, history, lease, { signal, unlock }) {
      const pairs = records.flatMap((r) => [r.version, JSON.stringify(r)])
      const args = [lease.token, history ? JSON.stringify(history) : '-', ...pairs]
      const answer = await ask(unlock === true ? 'end' : 'mark', args, { signal })
      if (unlock === true) letGo(lease)
      const [problem] = valuesOf(answer, 'problem')
      return { problem: problem === undefined ? undefined : escapeControls(problem) }
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
      const { token } = lease
      if (letGo(lease)) await ask('unlock', [token], { signal })
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

    run(argv, options) {
      const begun = behind?.take(argv, options)
      behind = undefined
      return begun ?? runOnHost(transport, argv, options)
    },
    runOnce: (argv, key, { token }, options) => runOnHost(transport, argv, options, { token, key }),
    async remember(key, lease, { signal }) {
      await ask('remember', [lease.token, key], { signal })
    },
    async forget(lease, { signal }) {
      await ask('forget', [lease.token], { signal })
    },
    dial: (address, port, signal) => transport.dial(address, port, signal),
    async reopen({ signal }) {
      for (const stop of held.values()) stop()
      await transport.close().catch(() => undefined)
      return shellSession(await openTransport(host, { signal }), { leases })
    },
    async close() {
      for (const lease of leases.values()) lease.stop()
      for (const stop of held.values()) stop()
      await transport.close()
    },
  }
}

/** Questions wait for those before them. */
function inTurn(ask: Ask): Ask {
  let turn: Promise<unknown> = Promise.resolve()
  return (...question) => {
    const mine = turn.then(() => ask(...question))
    turn = mine.catch(() => undefined)
    return mine
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
