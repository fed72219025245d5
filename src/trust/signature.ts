/**
 * SSH signatures as `ssh-keygen -Y` makes and judges them (PROTOCOL.sshsig of OpenSSH). ssh-keygen does the cryptography; what is read
 * here is only whose signature it claims to be, for messages.
 */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { basename } from 'node:path'
import { ShipError } from '../errors.ts'
import { readForeign } from '../foreign.ts'
import { SUMS_FILE } from '../formats/sums.ts'
import { escapeControls } from '../names.ts'
import { runTool } from './ssh-keygen.ts'

export const SIGNATURE_FILE = `${SUMS_FILE}.sig`
export const DEFAULT_NAMESPACE = 'file'
const MAGIC = 'SSHSIG'
/** Many times the largest signature there is. */
const MAX_BYTES = 64 * 1024

/** Whose signatures count. */
export interface Signers {
  /** Absolute path of an allowed_signers file (ssh-keygen(1), ALLOWED SIGNERS). */
  readonly file: string
  readonly namespace: string
}

/** What became of the question who signed. `unchecked`: the bytes are as signed, but nobody said whose signature would do. */
export interface Verdict {
  readonly result: 'ok' | 'missing' | 'wrong' | 'unchecked'
  /** A sentence part for people. */
  readonly found: string
  /** Principals of the allowed_signers file. */
  readonly signer?: string | undefined
  /** `SHA256:...` of the key in the signature. */
  readonly fingerprint?: string | undefined
}

export interface SignatureQuestion {
  /** The bytes that were signed. */
  readonly text: string | Buffer
  /** Path of the signature. */
  readonly file: string
  /** Without: any key will do, and the answer is `unchecked` at best. */
  readonly signers: Signers | undefined
  readonly signal: AbortSignal
}

/** Rejects only when ssh-keygen or the file of signers is missing; everything else is a verdict. */
export async function judgeSignature({ text, file, signers, signal }: SignatureQuestion): Promise<Verdict> {
  const bytes = await readForeign(file, MAX_BYTES).catch(refusedAsMessage)
  if (typeof bytes === 'string') return { result: 'wrong', found: bytes }
  if (!bytes) return { result: 'missing', found: `there is no ${basename(file)}` }
  const claim = parseSignature(bytes.toString('utf8'))
  if (claim === undefined) return { result: 'wrong', found: `${basename(file)} is not an SSH signature` }
  const by = `signed by ${claim.fingerprint}`
  const { fingerprint } = claim
  const namespace = signers?.namespace ?? claim.namespace
  const valid = await runTool(['ssh-keygen', '-Y', 'check-novalidate', '-n', namespace, '-s', file], {
    signal,
    input: text,
  })
  if (!valid.ok) return { result: 'wrong', found: mismatch(claim, namespace), fingerprint }
  if (!signers) return { result: 'unchecked', found: `${by} (no signers configured: not checked)`, fingerprint }
  const principals = await principalsOf(file, signers, signal)
  for (const principal of principals.names) {
    const checked = await runTool(
      ['ssh-keygen', '-Y', 'verify', '-f', signers.file, '-I', principal, '-n', namespace, '-s', file],
      { signal, input: text },
    )
    const signer = escapeControls(principal)
    if (checked.ok) return { result: 'ok', found: `signed by ${signer} (${fingerprint})`, signer, fingerprint }
  }
  // A key that is listed may still be out of date, or for other things only: ssh-keygen says which.
  const why = principals.said.filter((line) => line !== 'No principal matched.')
  const hint = why.length > 0 ? ` (${escapeControls(why.join('; '))})` : ''
  return { result: 'wrong', found: `${basename(file)} is ${by}, not among the signers${hint}`, fingerprint }
}

interface Claim {
  readonly fingerprint: string
  readonly namespace: string
}

/** What a signature says of itself; nothing of it is proven. Undefined when it is none. */
export function parseSignature(text: string): Claim | undefined {
  const [, armored] = /^-----BEGIN SSH SIGNATURE-----\n([A-Za-z0-9+/=\n]+)-----END SSH SIGNATURE-----\n*$/.exec(
    text.replaceAll('\r\n', '\n'),
  ) ?? [undefined, undefined]
  if (armored === undefined) return undefined
  const bytes = Buffer.from(armored, 'base64')
  // Bits that stand for nothing could be changed without anybody noticing.
  if (bytes.toString('base64') !== armored.replaceAll('\n', '')) return undefined
  if (bytes.subarray(0, MAGIC.length).toString('latin1') !== MAGIC) return undefined
  // After the magic: a version as uint32, the public key, the name space.
  const key = sshString(bytes, MAGIC.length + 4)
  const namespace = key && sshString(bytes, key.end)
  if (!key || !namespace || namespace.value.length === 0) return undefined
  const digest = createHash('sha256').update(key.value).digest('base64').replace(/=+$/, '')
  return { fingerprint: `SHA256:${digest}`, namespace: namespace.value.toString('utf8') }
}

function sshString(bytes: Buffer, at: number): { readonly value: Buffer; readonly end: number } | undefined {
  if (at + 4 > bytes.length) return undefined
  const end = at + 4 + bytes.readUInt32BE(at)
  return end > bytes.length ? undefined : { value: bytes.subarray(at + 4, end), end }
}

function refusedAsMessage(error: unknown): string {
  if (error instanceof ShipError && error.reason === 'refused') return error.message
  throw error
}

function mismatch(claim: Claim, wanted: string): string {
  const by = `${SIGNATURE_FILE}, a signature of ${claim.fingerprint},`
  if (claim.namespace === wanted) return `${by} does not belong to these bytes of ${SUMS_FILE}`
  return `${by} is for "${escapeControls(claim.namespace)}", not for "${wanted}"`
}

async function principalsOf(
  file: string,
  signers: Signers,
  signal: AbortSignal,
): Promise<{ readonly names: readonly string[]; readonly said: readonly string[] }> {
  if (!existsSync(signers.file)) {
    throw new ShipError('config', `the file of signers "${signers.file}" does not exist`, {
      next: ['one line for each: ada@example.org ssh-ed25519 AAAA... (the public key)'],
    })
  }
  const found = await runTool(['ssh-keygen', '-Y', 'find-principals', '-s', file, '-f', signers.file], { signal })
  const names = found.ok ? found.stdout.split('\n').filter((line) => line !== '') : []
  return { names, said: found.said }
}
