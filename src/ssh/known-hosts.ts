/**
 * known_hosts files: what they say of a host's key. Pure. Plain names, patterns with `*`, `?` and `!`, `[host]:port`, hashed names,
 * `@revoked`; `@cert-authority` lines are passed over, for ssh2 offers no host certificates.
 */
import { createHash, createHmac } from 'node:crypto'

export interface KnownKey {
  /** `ssh-ed25519`, `ecdsa-sha2-nistp256`, ... */
  readonly type: string
  /** The key blob, base64. */
  readonly key: string
  readonly marker: 'revoked' | 'cert-authority' | undefined
  readonly file: string
  /** From 1. */
  readonly line: number
  readonly matches: (name: string) => boolean
}

export type Verdict =
  | { readonly kind: 'ok' }
  /** No line speaks of the host; `certificateOnly` when only a certificate authority does. */
  | { readonly kind: 'unknown'; readonly certificateOnly: boolean }
  | { readonly kind: 'changed'; readonly expected: readonly KnownKey[] }
  | { readonly kind: 'revoked'; readonly by: KnownKey }

/** Reads the lines of one file; lines that are none are passed over, as ssh does. */
export function parseKnownHosts(text: string, file: string): KnownKey[] {
  return text.split(/\r?\n/).flatMap((line, index): KnownKey[] => {
    const fields = line.trim().split(/\s+/)
    if (line.trim() === '' || line.trim().startsWith('#')) return []
    const marker = fields[0] === '@revoked' ? 'revoked' : fields[0] === '@cert-authority' ? 'cert-authority' : undefined
    if (fields[0]?.startsWith('@')) {
      if (marker === undefined) return []
      fields.shift()
    }
    const [names = '', type = '', key = ''] = fields
    if (!/^[A-Za-z0-9+/]+=*$/.test(key) || !/^[a-z0-9@.-]+$/.test(type)) return []
    return [{ type, key, marker, file, line: index + 1, matches: matcher(names) }]
  })
}

/**
 * What the lines say of a key that a host showed. `names`: as the host stands in known_hosts, and then names under which a key counts
 * as well when the first is not there, but under which another key means nothing (as for ssh: a line without a port).
 */
export function verdict(known: readonly KnownKey[], names: readonly string[], key: Buffer): Verdict {
  const [first = '', ...others] = names
  const found = judge(known, first, key)
  if (found.kind !== 'unknown') return found
  const elsewhere = others.map((name) => judge(known, name, key))
  return elsewhere.find((v) => v.kind === 'revoked') ?? elsewhere.find((v) => v.kind === 'ok') ?? found
}

function judge(known: readonly KnownKey[], name: string, key: Buffer): Verdict {
  const mine = known.filter((k) => k.matches(name))
  const shown = key.toString('base64')
  const revoked = mine.find((k) => k.marker === 'revoked' && k.key === shown)
  if (revoked) return { kind: 'revoked', by: revoked }
  const plain = mine.filter((k) => k.marker === undefined)
  if (plain.some((k) => k.key === shown)) return { kind: 'ok' }
  // A key of a type that is not known is a change too: the host is asked for the known types first.
  if (plain.length > 0) return { kind: 'changed', expected: plain }
  return { kind: 'unknown', certificateOnly: mine.some((k) => k.marker === 'cert-authority') }
}

/** Key types known for a host, so that it is asked for one of them. */
export function knownTypes(known: readonly KnownKey[], names: readonly string[]): string[] {
  for (const name of names) {
    const types = known.filter((k) => k.marker === undefined && k.matches(name)).map((k) => k.type)
    if (types.length > 0) return [...new Set(types)]
  }
  return []
}

/** The names of a host in known_hosts, see `verdict`. */
export function knownNames(host: string, port: number): string[] {
  const name = host.toLowerCase()
  return port === 22 ? [name] : [`[${name}]:${port}`, name]
}

/** `SHA256:...` as ssh prints it. */
export function fingerprint(key: Buffer | string): string {
  const bytes = typeof key === 'string' ? Buffer.from(key, 'base64') : key
  return `SHA256:${createHash('sha256').update(bytes).digest('base64').replace(/=+$/, '')}`
}

/** The type that a key blob says of itself. */
export function keyType(key: Buffer): string {
  const length = key.length >= 4 ? key.readUInt32BE(0) : 0
  return length > 0 && length <= 64 ? key.subarray(4, 4 + length).toString('latin1') : 'unknown'
}

function matcher(names: string): (name: string) => boolean {
  const hashed = /^\|1\|([^|]+)\|([^|]+)$/.exec(names)
  if (hashed) {
    const [, salt = '', digest] = hashed
    return (name) => createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest('base64') === digest
  }
  // A fleet's file has a plain name on nearly every line, and every line is held against every host.
  if (!/[*?!,]/.test(names)) {
    const plain = names.toLowerCase()
    return (name) => name.toLowerCase() === plain
  }
  const patterns = names
    .split(',')
    .map((text) => ({ negated: text.startsWith('!'), test: globPattern(text.replace(/^!/, '')) }))
  return (name) => {
    const hits = patterns.filter(({ test }) => test.test(name))
    return hits.length > 0 && !hits.some(({ negated }) => negated)
  }
}

function globPattern(text: string): RegExp {
  const escaped = text.toLowerCase().replaceAll(/[.+^${}()|[\]\\]/g, '\\$&')
  return new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`, 'i')
}
