/** Payloads of a bundle: packed at most once for all hosts alike, and the one that will probably be wanted before anybody asks. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Environment } from '../config/environment.ts'
import type { Bundle } from '../formats/bundle.ts'
import { lackingFiles, type Base } from '../formats/delta.ts'
import { packagePayload, type PackageFile } from '../formats/package-payload.ts'
import { liesIn, unpackAhead } from '../formats/pick.ts'
import { nativeCompression, packPayload, type PackedContent, type PackedPayload } from '../formats/payload.ts'
import type { HostState } from '../host/session.ts'
import { inStep, type Io } from '../io.ts'
import { size } from '../size.ts'
import type { Manifest } from '../tree/manifest.ts'
import { isEnough } from './bases.ts'
import { foreseen, type Foreseen } from './foreseen.ts'
import { rateLimit } from './rate.ts'
import type { Run } from './step.ts'

/** Payloads of one bundle for all hosts of a run. */
export interface Packing {
  readonly pack: (bundle: Bundle, ...args: Parameters<Run['pack']>) => PackedPayload
  /** Begins to pack what will be asked for, and tells nobody: it may be that it is not. */
  readonly prepare: (bundle: Bundle, ...args: Parameters<Run['pack']>) => void
  /** Begins to unpack the archive of a bundle that was not checked yet, where some of it will probably be asked for. */
  readonly unpackForeseen: (bundle: Bundle) => Promise<void>
  /** Prepares what will probably be asked for, by the last run from here, unless that is nothing. */
  readonly prepareForeseen: (bundle: Bundle) => Promise<void>
  /** The payload that is being prepared by `prepareForeseen`. */
  readonly foreseen: () => PackedPayload | undefined
  /** Resolves when nothing is being packed. */
  readonly idle: () => Promise<void>
  /** Ends what nobody waits for. */
  readonly close: () => Promise<void>
}

/** A package is sent as it was built, alike to all hosts. */
export function packageOnce(file: PackageFile, manifest: Manifest, limit: number | undefined): Packing {
  const limited = rateLimit(limit)
  const payload = packagePayload(file, manifest)
  return {
    pack: () => withContent(payload, ({ open, ...rest }) => ({ ...rest, open: (offset) => limited(open(offset)) })),
    prepare: () => undefined,
    unpackForeseen: () => Promise.resolve(),
    prepareForeseen: () => Promise.resolve(),
    foreseen: () => undefined,
    idle: () => Promise.resolve(),
    close: () => Promise.resolve(),
  }
}

/** Makes a payload at most once for all hosts with the same tools and releases; hosts that ask meanwhile wait for it. */
export function packOnce(folder: string, { app, name, limit, hosts }: Environment, io: Io): Packing {
  const packed = new Map<string, PackedPayload>()
  const begun = new Map<string, PackedPayload>()
  const over = new AbortController()
  const signal = AbortSignal.any([io.signal, over.signal])
  const limited = rateLimit(limit)
  let unpacked: Bundle['unpacked']
  let likely: PackedPayload | undefined
  const begin = (
    bundle: Bundle,
    tools: Pick<HostState['tools'], 'zstd' | 'gzip' | 'rsync'>,
    bases: readonly Base[],
  ) => {
    const native = nativeCompression(bundle)
    const usesNative = native !== undefined && tools[native] && bases.length === 0
    const compression = usesNative ? native : tools.zstd ? 'zstd' : 'gzip'
    const near = tools.rsync === true
    const releases = bases.map(({ version, digest, shared }) => [version, digest, shared])
    const key = JSON.stringify([compression, near, ...releases])
    const payload = begun.get(key) ?? packPayload({ ...bundle, unpacked }, { compression, folder, bases, near, signal })
    begun.set(key, payload)
    return { key, payload, usesNative }
  }
  let foreseeing: Promise<Foreseen | undefined> | undefined
  const foreseenFor = ({ digest, manifest }: Bundle): Promise<Foreseen | undefined> => {
    foreseeing ??= foreseen(app, name).then((found) =>
      found && found.base.digest !== digest && isEnough(manifest, [found.base]) ? found : undefined,
    )
    return foreseeing
  }
  const unpackForeseen = async (bundle: Bundle): Promise<void> => {
    const found = await foreseenFor(bundle)
    if (found && !liesIn(bundle.sources, lackingFiles(bundle.manifest, [found.base]))) unpacked = unpackAhead(bundle)
  }
  const prepareForeseen = async (bundle: Bundle): Promise<void> => {
    const found = await foreseenFor(bundle)
    // A connection may be waiting.
    await nextTurn()
    if (found && !signal.aborted) likely = begin(bundle, { gzip: true, ...found.tools }, [found.base]).payload
  }
  const pack: Packing['pack'] = (bundle, tools, bases) => {
    const { key, payload, usesNative } = begin(bundle, tools, bases)
    const known = packed.get(key)
    if (known) return known
    // Every rsync limits itself, so each gets its share.
    const share = limit === undefined ? undefined : limit / hosts.length
    const limitedNear = payload.near && { ...payload.near, bytesPerSecond: share }
    const told = usesNative ? payload : { ...payload, content: inPackStep(payload, io) }
    const fresh = withContent({ ...told, near: limitedNear }, ({ open, ...rest }) => {
      return { ...rest, open: (offset) => limited(open(offset)) }
    })
    packed.set(key, fresh)
    return fresh
  }
  const idle = async (): Promise<void> => {
    await Promise.allSettled([...begun.values()].map(({ content }) => content))
  }
  const close = (): Promise<void> => {
    over.abort()
    return idle()
  }
  return { pack, prepare: begin, unpackForeseen, prepareForeseen, foreseen: () => likely, idle, close }
}

/** The same payload with its bytes put differently. */
function withContent(payload: PackedPayload, as: (content: PackedContent) => PackedContent): PackedPayload {
  const content = payload.content.then(as)
  content.catch(() => undefined)
  return { ...payload, content }
}

/** Packing anew takes a while, so it is a step of its own. */
async function inPackStep({ content, base, compression }: PackedPayload, io: Io): Promise<PackedContent> {
  await inStep(io.emit, { step: 'pack' }, async () => {
    const { sizeBytes } = await content
    return `${size(sizeBytes)} as ${compression}${base === undefined ? '' : `, changes from ${base}`}`
  })
  return content
}
