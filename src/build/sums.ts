/**
 * `SHA256SUMS` of `dist/` and its signature, over all builds that lie there. A signature says that these bytes were built by whoever holds
 * the key, so lines of earlier builds are signed again only when a good signature stood under them before.
 */
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseSums, SUMS_FILE, sumsText } from '../formats/sums.ts'
import { inStep, type Io } from '../io.ts'
import { checkSigningKey, signFile, type SigningKey, type SignOptions } from '../trust/sign.ts'
import { judgeSignature, SIGNATURE_FILE, type Signers } from '../trust/signature.ts'

/** A key that was looked at, and whose signatures count besides its own. */
export interface Signing extends Pick<SignOptions, 'freeTerminal'> {
  readonly key: SigningKey
  readonly fingerprint: string
  readonly signers: Signers | undefined
}

/** Looks at the key before anything is built; undefined when nothing is to be signed. Rejects as `checkSigningKey`. */
export async function openSigning(
  key: SigningKey | undefined,
  signers: Signers | undefined,
  options: SignOptions,
): Promise<Signing | undefined> {
  if (!key) return undefined
  return { key, fingerprint: await checkSigningKey(key, options), signers, freeTerminal: options.freeTerminal }
}

interface EarlierSums {
  /** Of files that are still there, and that this build may vouch for. */
  readonly sums: ReadonlyMap<string, string>
  /** As it stands there. */
  readonly text: string
  /** Whether the signature that stands there is by the same key. */
  readonly signed: boolean
  /** Files that are listed there and no longer vouched for. */
  readonly dropped: readonly string[]
}

/** What `dist` lists so far. */
export async function readEarlierSums(
  dist: string,
  signing: Signing | undefined,
  signal: AbortSignal,
): Promise<EarlierSums> {
  const text = await readFile(join(dist, SUMS_FILE), 'utf8').catch(() => '')
  const there = new Set(await readdir(dist))
  const sums = new Map([...parseSums(text)].filter(([file]) => there.has(file)))
  if (!signing || text === '') return { sums, text, signed: false, dropped: [] }
  const own = join(dist, SIGNATURE_FILE)
  // A build that was killed between the two renames has left the signature that belongs to the sums in its own folder.
  const left = [...there].filter((name) => name.startsWith('.ship-')).map((name) => join(dist, name, SIGNATURE_FILE))
  for (const file of [own, ...left]) {
    const plain = await judgeSignature({ text, file, signers: undefined, signal })
    const isOurs = plain.result === 'unchecked' && plain.fingerprint === signing.fingerprint
    const { signers } = signing
    if (isOurs || (signers && (await judgeSignature({ text, file, signers, signal })).result === 'ok'))
      return { sums, text, signed: isOurs && file === own, dropped: [] }
  }
  return { sums: new Map(), text, signed: false, dropped: [...sums.keys()] }
}

export interface SumsParts {
  readonly dist: string
  /** Folder in `dist`, gone after the build. */
  readonly temp: string
  readonly earlier: EarlierSums
  readonly artifacts: readonly { readonly file: string; readonly sha256: string }[]
  readonly signing: Signing | undefined
}

/**
 * Writes sums and signature into `temp`; the function it resolves with lets them appear. Nothing is touched when they are there already:
 * a hardware key is not asked for a touch twice.
 *
 * The order of appearance: a signature that no longer belongs to the sums is never left alone with them for longer than it takes from
 * one rename to the next. Killed in between, the right one lies in `temp`, where the next build finds it (see `readEarlierSums`), so the
 * builds before stay vouched for.
 */
export async function stageSums(parts: SumsParts, io: Io): Promise<() => Promise<void>> {
  const { dist, temp, earlier, artifacts, signing } = parts
  const sums = new Map(earlier.sums)
  for (const { file, sha256 } of artifacts) sums.set(file, sha256)
  const text = sumsText(sums)
  if (text === earlier.text && (signing === undefined || earlier.signed)) return () => Promise.resolve()
  await writeFile(join(temp, SUMS_FILE), text, { flush: true })
  if (signing) await sign(join(temp, SUMS_FILE), signing, io)
  warnOfDropped(
    earlier.dropped.filter((file) => !sums.has(file)),
    io,
  )
  return async () => {
    if (!signing) await rm(join(dist, SIGNATURE_FILE), { force: true })
    await rename(join(temp, SUMS_FILE), join(dist, SUMS_FILE))
    if (signing) await rename(join(temp, SIGNATURE_FILE), join(dist, SIGNATURE_FILE))
  }
}

async function sign(file: string, { key, freeTerminal, fingerprint, signers }: Signing, io: Io): Promise<void> {
  await inStep(io.emit, { step: 'sign', title: `sign ${SUMS_FILE}` }, async () => {
    await signFile(file, key, { signal: io.signal, freeTerminal })
    return `signed by ${fingerprint}`
  })
  if (!signers) return
  const text = await readFile(file)
  const { result, found } = await judgeSignature({ text, file: `${file}.sig`, signers, signal: io.signal })
  if (result === 'ok') return
  const next = [`add the key to ${signers.file}, or sign with one that is there`]
  io.emit({ event: 'warning', message: `a release that needs a signature will refuse this build: ${found}`, next })
}

function warnOfDropped(files: readonly string[], io: Io): void {
  if (files.length === 0) return
  const message = `${SUMS_FILE} no longer lists what nobody you trust has signed: ${files.toSorted().join(', ')}`
  io.emit({ event: 'warning', message, next: ['build these versions again to sign them'] })
}
