/**
 * Signing by `ssh-keygen -Y sign`: with a private key, or with a public one whose private half an agent or a hardware key holds. A key on
 * hardware (`sk-ssh-ed25519@openssh.com`) takes the same way as any other, in an agent or as the file that stands for it: ssh-keygen waits
 * for the touch, and asks for a PIN where it asks for a passphrase. A passphrase is asked for by ssh-keygen itself and on a terminal only;
 * ship never sees it.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { ShipError } from '../errors.ts'
import { runTool, toolEnv } from './ssh-keygen.ts'

/** What a build signs with. */
export interface SigningKey {
  /** Absolute path of a private or a public key. */
  readonly file: string
  readonly namespace: string
}

export interface SignOptions {
  readonly signal: AbortSignal
  /** Frees the terminal before a person is asked there; undefined: there is nobody to ask. */
  readonly freeTerminal?: (() => Promise<void>) | undefined
}

const STATE = 'dist/ is as it was'

/**
 * Looks, before any work is done, whether the key will do. Resolves with its fingerprint, `SHA256:...`. Rejects with reason `config` when
 * it does not exist or is no key, and `build` when it cannot be used without asking and there is nobody to ask.
 */
export async function checkSigningKey({ file }: SigningKey, options: SignOptions): Promise<string> {
  const { signal } = options
  if (!existsSync(file)) {
    throw new ShipError('config', `build.sign.key names "${file}", which does not exist`, {
      state: STATE,
      next: [`make a key: ssh-keygen -t ed25519 -f ${file}`],
    })
  }
  const told = await runTool(['ssh-keygen', '-l', '-E', 'sha256', '-f', file], { signal })
  const [fingerprint] = /SHA256:[A-Za-z0-9+/]+/.exec(told.stdout) ?? []
  if (fingerprint === undefined) {
    throw new ShipError('config', `build.sign.key names "${file}", which is not a key that ssh-keygen reads`, {
      state: STATE,
      details: told.said,
    })
  }
  if (options.freeTerminal !== undefined || (await agentHas(fingerprint, signal))) return fingerprint
  // Of a public key the private half may lie beside it.
  const secret = file.endsWith('.pub') && existsSync(file.slice(0, -4)) ? file.slice(0, -4) : file
  const opened = await runTool(['ssh-keygen', '-y', '-P', '', '-f', secret], { signal })
  if (!opened.ok) throw unusable(file, opened.said)
  return fingerprint
}

/** Signs a file: the signature is written to `<file>.sig`, which must not exist. Rejects with reason `build`. */
export async function signFile(file: string, key: SigningKey, options: SignOptions): Promise<void> {
  const argv = ['ssh-keygen', '-q', '-Y', 'sign', '-n', key.namespace, '-f', key.file, file] as const
  const quiet = await runTool([...argv], { signal: options.signal })
  if (quiet.ok) return
  if (options.freeTerminal === undefined || quiet.timedOut) throw unusable(key.file, quiet.said, quiet.timedOut)
  await options.freeTerminal()
  const [program, ...args] = argv
  // In our own process group and with our terminal: ssh-keygen asks there, and Ctrl-C reaches it.
  const child = spawn(program, args, { stdio: 'inherit', env: toolEnv(), signal: options.signal })
  const [code] = (await once(child, 'exit').catch(() => {
    options.signal.throwIfAborted()
    return [null]
  })) as [number | null]
  if (code !== 0) throw unusable(key.file, quiet.said)
}

async function agentHas(fingerprint: string, signal: AbortSignal): Promise<boolean> {
  if (process.env['SSH_AUTH_SOCK'] === undefined) return false
  const { stdout } = await runTool(['ssh-add', '-l', '-E', 'sha256'], { signal })
  return stdout.split('\n').some((line) => line.split(' ').includes(fingerprint))
}

function unusable(file: string, said: readonly string[], timedOut = false): ShipError {
  const locked = said.some((line) => /incorrect passphrase/i.test(line))
  const what = timedOut
    ? 'did not answer in time'
    : locked
      ? 'has a passphrase, and there is no terminal to ask for it'
      : 'cannot be used'
  return new ShipError('build', `the signing key "${file}" ${what}`, {
    state: STATE,
    details: locked ? [] : said.filter((line) => !line.startsWith('@')),
    next: [
      `put the key into an agent: ssh-add ${file.replace(/\.pub$/, '')} (and see that SSH_AUTH_SOCK is passed on)`,
      'or sign with a key that has no passphrase, or with a hardware key',
    ],
  })
}
