/** Keys by the real ssh-keygen. */
import { spawnSync } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'

export type KeyType = 'ed25519' | 'ecdsa' | 'rsa'

export interface KeyOptions {
  readonly type?: KeyType
  readonly passphrase?: string
  /** `PEM` for the older kind of key file. */
  readonly format?: 'PEM' | 'RFC4716'
}

/** Makes a key pair at `file` and `file.pub`, in place of what was there. */
export function generateKey(file: string, options: KeyOptions = {}): { file: string; publicKey: string } {
  const { type = 'ed25519', passphrase = '', format } = options
  for (const old of [file, `${file}.pub`]) rmSync(old, { force: true })
  const bits = type === 'rsa' ? ['-b', '2048'] : []
  const as = format === undefined ? [] : ['-m', format]
  keygen(['-q', '-t', type, ...bits, ...as, '-N', passphrase, '-C', '', '-f', file])
  return { file, publicKey: readFileSync(`${file}.pub`, 'utf8').trim() }
}

/** Runs ssh-keygen; answers what it printed. */
function keygen(args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync('ssh-keygen', args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`ssh-keygen ${args.join(' ')}: ${stderr}`)
  return stdout
}
