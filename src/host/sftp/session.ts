/**
 * The contract of session.ts for hosts that give their files by SFTP and run nothing (`ForceCommand internal-sftp`, a chroot). The same
 * folders, files and renames as the shell's scripts, so a host can be used either way; what cannot hold here is told by the state.
 */
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { messageOf, ShipError } from '../../errors.ts'
import { withGrace } from '../../grace.ts'
import type { Token } from '../../names.ts'
import { openTransport } from '../../transport/index.ts'
import type { FileChannel, Transport } from '../../transport/transport.ts'
import { parseManifest } from '../../tree/manifest.ts'
import { counted } from '../counted.ts'
import { keepLease, LEASE_SECONDS, type KeptLease } from '../lease.ts'
import type { HostSession, Lease } from '../session.ts'
import { MAX_HISTORY_BYTES } from '../sizes.ts'
import { readHistoryLine } from '../state.ts'
import { discard, forget, mark, prune, refuseLive, remember, switchCurrent } from './changes.ts'
import { compareTree } from './check.ts'
import { hostClock } from './clock.ts'
import { readWhole } from './content.ts'
import { acquire, beat, clearLeftovers, release, takeOver } from './lock.ts'
import { placeAt, underLock, type Place } from './place.ts'
import { probe } from './probe.ts'
import { openRequests } from './requests.ts'
import { stageRelease } from './stage.ts'

const BEAT_MS = 20_000
/** A host that hangs must not hold Ctrl-C up for long. */
const GRACE_MS = 2000

/** Rejects with reason `not-switched` when the server cannot rename over what is there: then no switch would be one step. */
export function sftpSession(
  transport: Transport,
  channel: FileChannel,
  leases = new Map<Lease, KeptLease>(),
): HostSession {
  const { host } = transport
  const requests = openRequests(channel)
  if (!requests.under(new AbortController().signal).offers('posix-rename@openssh.com')) throw cannotSwitch()
  const clock = hostClock()
  const placed = (signal: AbortSignal): Place => placeAt(host.deployTo, requests.under(signal))
  const beats = (token: Token): Promise<boolean> => beat(placed(AbortSignal.timeout(BEAT_MS)), token, clock)
  const giveBack = async (lease: Lease, signal: AbortSignal): Promise<void> => {
    const kept = leases.get(lease)
    kept?.stop()
    if (leases.delete(lease)) await until(signal, release(placed(signal), lease.token))
  }
  for (const lease of leases.values()) lease.through(beats)

  const session: HostSession = {
    host,
    get connected() {
      return transport.connected && requests.alive
    },
    probe: ({ sharedFiles }, { signal }) => {
      return until(signal, probe(placed(signal), { sharedFiles, clock, leaseSeconds: LEASE_SECONDS }))
    },
    lock(owner, { sharedFiles }, { signal, leaseSeconds, takeOver: from }) {
      const place = placed(signal)
      return until(signal, async () => {
        await (from === undefined ? acquire(place, owner, clock) : takeOver(place, owner, from, clock))
        const lease = keepLease(owner, leaseSeconds, beats)
        leases.set(lease, lease)
        await clearLeftovers(place, clock)
        return { lease, state: await probe(place, { sharedFiles, clock, leaseSeconds }) }
      })
    },
    fence(lease, { signal }) {
      const kept = leases.get(lease)
      if (!kept) throw new TypeError('no lease of this session')
      const place = placed(signal)
      return until(signal, async () => {
        await kept.change((owner, from) => takeOver(place, owner, from, clock))
        await clearLeftovers(place, clock)
        return probe(place, { sharedFiles: [], clock, leaseSeconds: LEASE_SECONDS })
      })
    },
    async stage(payload, spec, lease, { signal, onProgress }) {
      const place = placed(signal)
      const { sizeBytes, open } = await payload.content
      const onSent = onProgress && ((bytes: number): void => onProgress(bytes, sizeBytes))
      const incoming = { base: payload.base, open: () => counted(open(), 0, onSent) }
      await until(
        signal,
        underLock(place, lease.token, () => stageRelease(place, incoming, { spec, lease, signal })),
      )
    },
    async drift({ version, shared }, { signal, depth = 'full' }) {
      const place = placed(signal)
      const text = await readWhole(place.requests, `${place.ship}/manifests/${version}.manifest.json`)
      if (text === undefined) throw new ShipError('refused', 'its manifest is not there')
      const comparison = { manifest: parseManifest(text), shared, depth, suspects: new Set<string>(), strict: false }
      return until(signal, compareTree(place.requests, `${place.root}/releases/${version}`, comparison))
    },
    discard(version, lease, { signal }) {
      const place = placed(signal)
      const work = async (): Promise<void> => {
        await refuseLive(place, version)
        await discard(place, version)
      }
      return until(signal, underLock(place, lease.token, work))
    },
    switchTo(target, lease, { signal, expected, record }) {
      const place = placed(signal)
      const change = { target, expected, record }
      return until(
        signal,
        underLock(place, lease.token, () => switchCurrent(place, lease.token, change)),
      )
    },
    async mark(records, history, lease, { signal, unlock }) {
      const place = placed(signal)
      const problem = await until(
        signal,
        underLock(place, lease.token, () => mark(place, records, history)),
      )
      if (unlock === true) await giveBack(lease, signal)
      return { problem }
    },
    prune(versions, lease, { signal }) {
      return withGrace(signal, GRACE_MS, (late) => {
        const place = placed(late)
        return until(
          late,
          underLock(place, lease.token, () => prune(place, lease.token, versions, signal)),
        )
      })
    },
    unlock: (lease, { signal }) => giveBack(lease, signal),
    async history(limit, { signal }) {
      const text = await until(
        signal,
        readWhole(placed(signal).requests, `${placed(signal).ship}/history.ndjson`, MAX_HISTORY_BYTES),
      )
      return (text ?? '')
        .split('\n')
        .flatMap((line) => readHistoryLine(line) ?? [])
        .slice(-limit)
    },
    manifest(version, { signal }) {
      const { requests: asked, ship } = placed(signal)
      return until(signal, readWhole(asked, `${ship}/manifests/${version}.manifest.json`))
    },
    arm: noProgram,
    renew: noProgram,
    run: noProgram,
    runOnce: noProgram,
    remember(key, lease, { signal }) {
      const place = placed(signal)
      return until(
        signal,
        underLock(place, lease.token, () => remember(place, key)),
      )
    },
    forget(lease, { signal }) {
      const place = placed(signal)
      return until(
        signal,
        underLock(place, lease.token, () => forget(place)),
      )
    },
    dial: (address, port, signal) => dialFrom(transport, address, port, signal),
    async reopen({ signal }) {
      requests.close()
      await transport.close().catch(() => undefined)
      const fresh = await openTransport(host, { signal })
      if (!fresh.files) throw new TypeError('a transport that had files has them')
      return sftpSession(fresh, await fresh.files(), leases)
    },
    async close() {
      for (const lease of leases.values()) lease.stop()
      requests.close()
      await transport.close()
    },
  }
  return session
}

function noProgram(): Promise<never> {
  return Promise.reject(new ShipError('not-switched', 'the host gives its files by SFTP and runs no programs'))
}

/** Work, given up for its signal: what was asked already may still be done, the rest is not asked any more. */
async function until<T>(signal: AbortSignal, work: Promise<T> | (() => Promise<T>)): Promise<T> {
  const working = typeof work === 'function' ? work() : work
  const { promise: given, reject } = Promise.withResolvers<never>()
  const stop = (): void => reject(signal.reason)
  signal.addEventListener('abort', stop, { once: true })
  try {
    return await Promise.race([working, given])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

/** From the host where it forwards; else from here, which is the same for any address but the host's own. */
async function dialFrom(transport: Transport, address: string, port: number, signal: AbortSignal): Promise<Duplex> {
  try {
    return await transport.dial(address, port, signal)
  } catch (error) {
    if (!/administratively prohibited/i.test(messageOf(error))) throw error
    if (/^(?:localhost|127\..*|::1)$/.test(address)) {
      const message = `the host forwards nothing (AllowTcpForwarding), and ${address} is its own address: name it as it is reached from here`
      throw new ShipError('not-switched', message)
    }
    return dialHere(address, port, signal)
  }
}

function dialHere(host: string, port: number, signal: AbortSignal): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, signal })
    socket.once('connect', () => resolve(socket))
    socket.once('error', reject)
  })
}

function cannotSwitch(): ShipError {
  return new ShipError(
    'not-switched',
    'the SFTP server offers no posix-rename@openssh.com, so no switch would be one step',
    {
      state: 'nothing was changed on any host',
      next: ['use the sftp-server of OpenSSH on the host, or give the deploy user a shell'],
    },
  )
}
