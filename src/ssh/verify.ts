/** Host keys: pins of the configuration and known_hosts files -> a verifier. There is no way around it. */
import { readFile, stat } from 'node:fs/promises'
import { ShipError } from '../errors.ts'
import { tooManyFiles } from '../open-files.ts'
import type { Verifier } from './connect.ts'
import { fingerprint, keyType, knownTypes, parseKnownHosts, verdict, type KnownKey } from './known-hosts.ts'
import { NeedsOpenSsh } from './needs-openssh.ts'
import type { SshOptions } from './options.ts'

/** A verifier for a host. `pins`: "ssh-ed25519 AAAA..." or "SHA256:..." from the configuration; with pins, files are not asked. */
export async function hostVerifier(options: SshOptions, pins: readonly string[]): Promise<Verifier> {
  if (pins.length > 0) return { verify: (key) => againstPins(key, pins, options), keyTypes: pinTypes(pins) }
  const known = await readKnownHosts(options.knownHostsFiles)
  return { verify: (key) => againstFiles(key, known, options), keyTypes: knownTypes(known, options.knownNames) }
}

/** All lines of the files that exist. */
export async function readKnownHosts(files: readonly string[]): Promise<KnownKey[]> {
  const lines = await Promise.all(files.map((file) => linesOf(file).catch(unreadable)))
  return lines.flat()
}

/** Nothing to be known from a file that is not there; but that this process is out of files is no fact about a host key. */
function unreadable(error: unknown): readonly KnownKey[] {
  const tooMany = tooManyFiles(error)
  if (tooMany) throw tooMany
  return []
}

interface ReadFile {
  readonly mark: string
  readonly lines: Promise<readonly KnownKey[]>
}

/** Every host of a fleet asks for the same files: each is read once, and again when it changed. */
const read = new Map<string, ReadFile>()

async function linesOf(file: string): Promise<readonly KnownKey[]> {
  const { mtimeNs, size, ino } = await stat(file, { bigint: true })
  const mark = `${ino} ${size} ${mtimeNs}`
  const known = read.get(file)
  if (known?.mark === mark) return known.lines
  const lines = readFile(file, 'utf8').then((text) => parseKnownHosts(text, file))
  read.set(file, { mark, lines })
  return lines
}

function againstFiles(key: Buffer, known: readonly KnownKey[], options: SshOptions): ShipError | undefined {
  const [name = ''] = options.knownNames
  const shown = `it showed ${keyType(key)} ${fingerprint(key)}`
  const found = verdict(known, options.knownNames, key)
  if (found.kind === 'ok') return undefined
  const state = 'nothing was changed on any host'
  if (found.kind === 'unknown') {
    if (found.certificateOnly) {
      const why = `known_hosts names a certificate authority for ${name}`
      return new NeedsOpenSsh('host-key', why, {
        message: `the host key of ${name} is not known`,
        state,
        details: [
          shown,
          'known_hosts names a certificate authority for it, and transport "sftp" knows no host certificates',
        ],
        next: ['leave "transport" out or set it to "rsync": the system\'s ssh is used then', 'or: ship trust'],
      })
    }
    return new ShipError('host-key', `the host key of ${name} is not known`, {
      state,
      details: [shown, `looked in ${options.knownHostsFiles.join(', ')}`],
      next: [
        'compare the fingerprint with what the host says of itself (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub), then: ship trust',
      ],
    })
  }
  if (found.kind === 'revoked') {
    return new ShipError('host-key', `the host key of ${name} is revoked`, {
      state,
      details: [shown, `by ${found.by.file}:${found.by.line}`],
    })
  }
  return new ShipError('host-key', `the host key of ${name} has changed; somebody may be in between`, {
    state,
    details: [shown, ...found.expected.map((k) => `expected ${k.type} ${fingerprint(k.key)} (${k.file}:${k.line})`)],
    next: ['find out why before anything else; if the host was set up anew, remove that line and run: ship trust'],
  })
}

function againstPins(key: Buffer, pins: readonly string[], options: SshOptions): ShipError | undefined {
  const print = fingerprint(key)
  const blob = key.toString('base64')
  const known = pins.some((pin) => pin === print || pin.split(/\s+/).includes(blob))
  if (known) return undefined
  return new ShipError('host-key', `the host key of ${options.hostname} is not the one pinned in the configuration`, {
    state: 'nothing was changed on any host',
    details: [`it showed ${keyType(key)} ${print}`, ...pins.map((pin) => `pinned ${pin.slice(0, 100)}`)],
    next: ['find out why before anything else; if the host was set up anew, pin its new key'],
  })
}

/** Pins of full keys say their type; a fingerprint does not. */
function pinTypes(pins: readonly string[]): string[] {
  const types = pins.flatMap((pin) =>
    pin
      .split(/\s+/)
      .filter((word) => /^(ssh|ecdsa)-/.test(word))
      .slice(0, 1),
  )
  return types.length === pins.length ? [...new Set(types)] : []
}
