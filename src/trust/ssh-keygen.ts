/** ssh-keygen and ssh-add as programs that never ask: no terminal, no window, no input but what is given, and an end in any case. */
import { Readable } from 'node:stream'
import { ShipError } from '../errors.ts'
import { runLocal } from '../process.ts'

/** Room for a touch of a hardware key or a confirmation that an agent asks for. */
const TIMEOUT_MS = 60_000
const PASSED = ['PATH', 'HOME', 'SSH_AUTH_SOCK', 'SSH_SK_PROVIDER', 'SSH_SK_HELPER', 'SSH_PKCS11_HELPER']

export interface ToolResult {
  readonly ok: boolean
  readonly stdout: string
  /** Lines of stderr that are not empty. */
  readonly said: readonly string[]
  readonly timedOut: boolean
}

/** What these programs see of our environment; their words in English, for some are looked for. */
export function toolEnv(): Record<string, string> {
  const env: Record<string, string> = { LC_ALL: 'C', SSH_ASKPASS_REQUIRE: 'never' }
  for (const name of PASSED) {
    const value = process.env[name]
    if (value !== undefined) env[name] = value
  }
  return env
}

/** Runs one. Any exit code is a result; rejects (reason `usage`) when there is no such program. */
export async function runTool(
  argv: readonly [program: 'ssh-keygen' | 'ssh-add', ...args: string[]],
  options: { readonly signal: AbortSignal; readonly input?: string | Buffer | undefined },
): Promise<ToolResult> {
  const stdin = options.input === undefined ? undefined : Readable.from([Buffer.from(options.input)])
  const { signal } = options
  try {
    const result = await runLocal(argv, { signal, stdin, cleanEnv: toolEnv(), timeoutMs: TIMEOUT_MS })
    const said = result.stderr.split('\n').flatMap((line) => (line.trim() === '' ? [] : [line.trim()]))
    return { ok: result.code === 0, stdout: result.stdout, said, timedOut: result.timedOut }
  } catch (error) {
    if (!(error instanceof ShipError) || error.reason !== 'build') throw error
    throw new ShipError('usage', `"${argv[0]}" is needed for signatures, and could not be started`, {
      cause: error,
      next: ['install OpenSSH 8.9 or newer (Debian: apt-get install openssh-client), or correct PATH'],
    })
  }
}
