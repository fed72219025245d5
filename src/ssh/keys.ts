/**
 * Identities to offer, in the order in which ssh would: the agent's keys, then key files. What could not be used is kept, so that a
 * refusal can say why: sshd answers "permission denied" to everything.
 */
import { stat, readFile } from 'node:fs/promises'
import ssh2, { type ParsedKey } from 'ssh2'
import { escapeControls } from '../names.ts'
import { tooManyFiles } from '../open-files.ts'
import type { SshOptions } from './options.ts'

type Env = Readonly<Record<string, string | undefined>>

interface Identity {
  /** For people: "key /home/ada/.ssh/id_ed25519". */
  readonly title: string
  readonly key: ParsedKey
}

export interface Identities {
  /** Socket of an agent to ask, when there is one. */
  readonly agent: string | undefined
  readonly keys: readonly Identity[]
  /** What was left out and why, one line each. */
  readonly problems: readonly string[]
}

/**
 * Collects identities. `SHIP_SSH_KEY` (the text of a private key, as CI secrets hold it) comes first; `SHIP_KEY_PASSPHRASE` opens
 * encrypted keys. Neither is ever an argument.
 */
export async function collectIdentities(options: SshOptions, env: Env): Promise<Identities> {
  const passphrase = env['SHIP_KEY_PASSPHRASE']
  const keys: Identity[] = []
  const problems: string[] = []
  const take = (title: string, text: string): void => {
    const parsed = parseKey(text, passphrase)
    if (typeof parsed === 'string') problems.push(`${title}: ${parsed}`)
    else keys.push({ title, key: parsed })
  }
  const given = env['SHIP_SSH_KEY']
  if (given) take('key in SHIP_SSH_KEY', given)
  for (const file of options.identityFiles) {
    const text = await readFile(file, 'utf8').catch((error: unknown) => {
      const tooMany = tooManyFiles(error)
      if (tooMany) throw tooMany
      // ssh's default names need not exist; one that was named must.
      if (options.identitiesOnly || !isMissing(error))
        problems.push(`key ${file}: ${isMissing(error) ? 'does not exist' : 'cannot be read'}`)
    })
    if (text === undefined) continue
    const { mode } = await stat(file)
    if ((mode & 0o077) !== 0)
      problems.push(
        `key ${file}: mode 0${(mode & 0o777).toString(8)} lets others read it; ssh would refuse it (chmod 600)`,
      )
    take(`key ${file}`, text)
  }
  const agent = options.identitiesOnly && keys.length > 0 ? undefined : options.agent
  return { agent, keys, problems }
}

/** What an agent offers, for messages; an agent that does not answer says so. */
export function describeAgent(socket: string): Promise<string> {
  return new Promise((resolve) => {
    const late = setTimeout(() => resolve(`the agent at ${socket} does not answer`), 3000)
    ssh2.createAgent(socket).getIdentities((error, keys) => {
      clearTimeout(late)
      if (error) resolve(`the agent at ${socket} does not answer: ${error.message}`)
      else
        resolve(
          keys && keys.length > 0
            ? `the agent offers ${keys.length} ${keys.length === 1 ? 'key' : 'keys'}`
            : 'the agent has no keys',
        )
    })
  })
}

/** A key, or why it is none. Secrets pasted into CI lose their last newline or gain carriage returns; both are mended. */
export function parseKey(text: string, passphrase: string | undefined): ParsedKey | string {
  const mended = `${text.replaceAll('\r\n', '\n').trim()}\n`
  const parsed = ssh2.utils.parseKey(mended, passphrase)
  const key = Array.isArray(parsed) ? parsed[0] : parsed
  if (key instanceof Error) {
    if (/no passphrase given|Encrypted/i.test(key.message))
      return 'is encrypted; put its passphrase into SHIP_KEY_PASSPHRASE, or the key into an agent'
    if (
      /bad (passphrase|decrypt)|integrity check|Malformed OpenSSH private key/i.test(key.message) &&
      passphrase !== undefined
    )
      return 'the passphrase in SHIP_KEY_PASSPHRASE does not open it'
    return `is not a private key that can be read (${escapeControls(key.message)})`
  }
  if (!key) return 'holds no key'
  return key.isPrivateKey() ? key : 'is a public key; the private one is needed'
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
