/** Who signed, and whether what was signed is this bundle. */
import { basename, join } from 'node:path'
import { ShipError } from '../errors.ts'
import { manifestFileName, type Bundle } from '../formats/bundle.ts'
import { parseSums, readSums, SUMS_FILE } from '../formats/sums.ts'
import { besideOf, checked, type Beside, type Check } from './beside.ts'
import { judgeSignature, SIGNATURE_FILE, type Signers, type Verdict } from './signature.ts'

export interface SignatureRequest {
  readonly signers: Signers | undefined
  /** A missing signature is wrong. */
  readonly mustBeSigned: boolean
  readonly signal: AbortSignal
}

export function checkSignature(beside: Beside, { signers, mustBeSigned, signal }: SignatureRequest): Promise<Check> {
  return checked('signature', async () => {
    const { result, found } = await coveringSignature(beside, signers, signal)
    if (result !== 'missing' || !mustBeSigned) return { result, found }
    return { result: 'wrong', found: `${found}, and it is needed` }
  })
}

/** Resolves with who signed. Rejects (reason `refused`) a bundle that no signature of one of `signers` covers. */
export async function requireSignature(bundle: Bundle, signers: Signers, signal: AbortSignal): Promise<string> {
  const { result, found } = await coveringSignature(besideOf(bundle, signal), signers, signal)
  if (result === 'ok') return found
  const { name, version } = bundle.manifest
  throw new ShipError('refused', `${name} ${version} must be signed by one of the signers: ${found}`, {
    state: 'nothing was changed on any host',
    next: ['sign it where it is built: build: { sign: { key } }, then ship build', 'look closer: ship verify'],
  })
}

/**
 * A signature that covers this bundle: the manifest in memory must be the listed one, and everything else is held against the manifest.
 * The bytes of SHA256SUMS that are judged are the ones that are read. Without signers the answer is `unchecked` at best.
 */
async function coveringSignature(
  { bundle, folder }: Beside,
  signers: Signers | undefined,
  signal: AbortSignal,
): Promise<Verdict> {
  const text = await readSums(folder)
  if (!text) return { result: 'missing', found: `there is no ${SUMS_FILE}` }
  const verdict = await judgeSignature({ text, file: join(folder, SIGNATURE_FILE), signers, signal })
  if (verdict.result !== 'ok' && verdict.result !== 'unchecked') return verdict
  const wrong = (why: string): Verdict => ({ ...verdict, result: 'wrong', found: `the signed ${SUMS_FILE} ${why}` })
  const sums = parseSums(text.toString('utf8'))
  const manifestFile = manifestFileName(bundle.manifest)
  for (const file of [basename(bundle.archive), manifestFile]) {
    if (!sums.has(file)) return wrong(`does not list ${file}`)
  }
  return sums.get(manifestFile) === bundle.digest ? verdict : wrong(`lists another ${manifestFile}`)
}
