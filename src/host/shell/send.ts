/** Puts a payload on a host by its own shell: what rsync brings first, then the stream, and the checks of all of it. */
import { Readable } from 'node:stream'
import type { Version } from '../../version.ts'
import { nearFolder, type Near } from '../../formats/near.ts'
import type { PushOptions, Transport } from '../../transport/transport.ts'
import { counted } from '../counted.ts'
import { WORTH_KEEPING, type PayloadContent } from '../payload.ts'
import type { HostSession, Lease } from '../session.ts'
import { LONG_MS, type Ask } from './ask.ts'
import { ONE_LANE, openLanes, WORTH_LANES, type Lanes } from './lanes.ts'

interface Place {
  readonly transport: Transport
  readonly ask: Ask
  readonly lease: Lease
}

type Parameter<N extends 0 | 1 | 3> = Parameters<HostSession['stage']>[N]

const CHUNK = 256 * 1024

/**
 * See `HostSession.stage`. The script begins before the bytes are packed: it copies the base meanwhile, and reads from its input what to
 * expect, in the first line, and then the payload.
 */
export async function sendPayload(
  { transport, ask, lease }: Place,
  payload: Parameter<0>,
  spec: Parameter<1>,
  { signal, partial, onProgress, onPushed }: Parameter<3>,
): Promise<void> {
  const { near } = payload
  const before = near?.sizeBytes ?? 0
  if (near) {
    const { sizeBytes } = await payload.content
    const onSent = onProgress && ((bytes: number): void => onProgress(bytes, before + sizeBytes))
    const pushed = await pushNear(transport, near, payload.base, { signal, onProgress: onSent })
    onPushed?.(pushed)
  }
  const { version, record, checksDigest, entries, tree, sharedDirs, sharedFiles } = spec
  const { base = '-', compression } = payload
  const fixed = [lease.token, version, record.digest, JSON.stringify(record), checksDigest, String(entries), tree]
  const from = [compression, base, spec.reuse, payload.keepsMost ? 'most' : 'some', String(spec.treeBytes)]
  const beside = near ? nearFolder(near.id) : '-'
  const args = [...fixed, ...from, beside, String(sharedDirs.length), ...sharedDirs, ...sharedFiles]
  let unpacked: { readonly error: unknown } | undefined
  payload.content.catch((error: unknown) => void (unpacked = { error }))
  const over = new AbortController()
  const incoming = announced(payload.content, {
    partial,
    onSent: (bytes, total) => onProgress?.(before + bytes, before + total),
    async lanesFor(bytes) {
      const hasRoom = spec.freeBytes > spec.treeBytes + 3 * bytes
      if (transport.wide !== true || !hasRoom || bytes < WORTH_LANES) return ONE_LANE
      return openLanes(transport, lease.token, AbortSignal.any([signal, over.signal]))
    },
  })
  const stdin = Readable.from(incoming, { objectMode: false, highWaterMark: CHUNK })
  try {
    await ask('stage', args, { signal, stdin, timeoutMs: LONG_MS })
  } catch (error) {
    // What could not be packed here is no fault of the host, which only saw its input end.
    throw unpacked ? unpacked.error : error
  } finally {
    over.abort()
  }
}

interface Announcing {
  readonly partial: ReadonlyMap<string, number> | undefined
  readonly onSent: (bytes: number, total: number) => void
  /** The channels for so many bytes. */
  readonly lanesFor: (bytes: number) => Promise<Lanes>
}

/**
 * A line with the name under which the payload is kept ("-": it is not), how much of it is there already, its size and the lanes; then the rest
 * of it, as far as the first lane carries it.
 */
async function* announced(
  content: Promise<PayloadContent>,
  { partial, onSent, lanesFor }: Announcing,
): AsyncGenerator<Buffer> {
  const { id, sizeBytes, open } = await content
  const offset = partial?.get(id) ?? 0
  const kept = sizeBytes < WORTH_KEEPING ? '-' : id
  const lanes = await lanesFor(sizeBytes - offset)
  yield Buffer.from(`${kept} ${offset} ${sizeBytes} ${lanes.words}\n`)
  yield* lanes.deal(counted(open(offset), offset, (bytes) => onSent(bytes, sizeBytes))) as AsyncIterable<Buffer>
}

async function pushNear(
  { host, push }: Transport,
  near: Near,
  base: Version | undefined,
  options: PushOptions,
): Promise<number> {
  if (!push || base === undefined) throw new TypeError('nothing here sends differences of files')
  const to = `${host.deployTo}/.ship/incoming/${nearFolder(near.id)}`
  return push({ ...near, to, near: `${host.deployTo}/releases/${base}` }, { ...near, ...options })
}
