/** `ship trust`: shows the keys of hosts and writes them to a known_hosts file. A key that changed is never replaced silently. */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { ShipError } from '../errors.ts'
import { connectSsh } from '../ssh/connect.ts'
import { fingerprint, keyType, parseKnownHosts, verdict } from '../ssh/known-hosts.ts'
import { NeedsOpenSsh } from '../ssh/needs-openssh.ts'
import { resolveOptions } from '../ssh/options.ts'
import type { Host } from '../transport/transport.ts'

export interface ShownKey {
  readonly host: string
  /** Names in known_hosts: `web1`, or `[web1]:2222` first; see `verdict`. */
  readonly names: readonly string[]
  /** Files in which the host's key is looked for; the first one is the user's own. */
  readonly files: readonly string[]
  readonly type: string
  readonly fingerprint: string
  /** Base64 of the key. */
  readonly key: string
}

export interface Pinned {
  readonly added: readonly ShownKey[]
  readonly known: readonly ShownKey[]
  /** Left as they are unless `replace`. */
  readonly changed: readonly ShownKey[]
}

/** Asks a host for its key and stops before anything is authenticated. */
export async function scanHostKey(host: Host, signal: AbortSignal): Promise<ShownKey> {
  const options = await resolveOptions(host, process.env, signal).catch((error: unknown) => {
    if (!(error instanceof NeedsOpenSsh)) throw error
    throw new ShipError('config', `${error.why}, so ship cannot ask for its key`, {
      next: [`ssh ${host.address} true   asks you, when you have compared the fingerprint, to keep it`],
    })
  })
  let shown: Buffer | undefined
  const verify = (key: Buffer): ShipError => {
    shown = key
    return new ShipError('host-key', 'only looking')
  }
  const request = {
    options,
    verifier: { verify, keyTypes: [] },
    identities: Promise.resolve({ agent: undefined, keys: [], problems: [] }),
    signal,
  }
  await connectSsh(request).catch((error: unknown) => {
    if (!shown) throw error
  })
  if (!shown) throw new ShipError('unreachable', `${options.hostname} showed no host key`)
  return {
    host: host.name,
    names: options.knownNames,
    files: options.knownHostsFiles,
    type: keyType(shown),
    fingerprint: fingerprint(shown),
    key: shown.toString('base64'),
  }
}

/** Adds keys to a file, atomically. With `replace`, lines of changed hosts go first. */
export async function pinHostKeys(
  file: string,
  keys: readonly ShownKey[],
  options: { readonly replace: boolean },
): Promise<Pinned> {
  const text = await readFile(file, 'utf8').catch(() => '')
  const lines = parseKnownHosts(text, file)
  const judged = keys.map((key) => ({
    key,
    found: verdict(lines, key.names, Buffer.from(key.key, 'base64')),
  }))
  const known = judged.filter((j) => j.found.kind === 'ok').map((j) => j.key)
  const changed = judged.filter((j) => j.found.kind === 'changed' || j.found.kind === 'revoked').map((j) => j.key)
  const added = judged
    .filter((j) => j.found.kind === 'unknown' || (options.replace && j.found.kind === 'changed'))
    .map((j) => j.key)
  const gone = new Set(
    options.replace
      ? judged.flatMap((j) => (j.found.kind === 'changed' ? j.found.expected.map((k) => k.line) : []))
      : [],
  )
  const kept = text.split('\n').filter((line, index) => !gone.has(index + 1) && line !== '')
  if (added.length > 0) {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 })
    const content = [...kept, ...added.map((k) => `${k.names[0] ?? k.host} ${k.type} ${k.key}`)].join('\n')
    await writeFile(`${file}.new`, `${content}\n`, { mode: 0o644 })
    await rename(`${file}.new`, file)
  }
  return { added, known, changed: options.replace ? [] : changed }
}
