/**
 * How the system's `ssh` is called: with the user's whole configuration, below ship's own rules. The rules stand in a file that is given by
 * -F, because ssh hands that file, and no other option, on to the `ssh` that it starts for a jump host: there they hold as well.
 */
import { homedir } from 'node:os'
import { join } from 'node:path'
import { ShipError } from '../../errors.ts'
import type { Target } from '../options.ts'

type Env = Readonly<Record<string, string | undefined>>

/** Names under which ssh looks for keys when nobody names any; ssh forgets them as soon as one is named. */
const DEFAULT_KEYS = ['id_rsa', 'id_ecdsa', 'id_ecdsa_sk', 'id_ed25519', 'id_ed25519_sk']
/** The name under which pinned keys stand in a file of their own. */
const PIN_NAME = 'ship-pinned'
const FINGERPRINT = /^SHA256:[A-Za-z0-9+/]{20,64}$/

/** The first value that ssh reads counts: rules before the user's configuration, defaults after it. */
export function configText({ knownHosts, identityFile }: Target, env: Env): string {
  const own = env['SHIP_SSH_CONFIG']
  const files = own === undefined ? [join(homedir(), '.ssh/config'), '/etc/ssh/ssh_config'] : [own]
  const known = knownHosts === undefined ? [] : [`UserKnownHostsFile ${word(knownHosts)}`, 'GlobalKnownHostsFile none']
  // Offered to jump hosts too, after their own.
  const keys =
    identityFile === undefined
      ? []
      : [...DEFAULT_KEYS.map((name) => `~/.ssh/${name}`), identityFile].map((file) => `IdentityFile ${word(file)}`)
  return [
    'Host *',
    'BatchMode yes',
    'StrictHostKeyChecking yes',
    'UpdateHostKeys no',
    ...known,
    ...files.map((file) => `Include ${word(file)}`),
    'Host *',
    'ConnectTimeout 10',
    ...keys,
    '',
  ].join('\n')
}

/** Options of the host itself, which mean nothing for its jump hosts. */
export function targetFlags({ port, user, identityFile, proxyJump }: Target): string[] {
  return [
    ...(port === undefined ? [] : ['-p', String(port)]),
    ...(user === undefined ? [] : ['-l', user]),
    ...(identityFile === undefined
      ? []
      : option('IdentityFile', word(identityFile)).concat(option('IdentitiesOnly', 'yes'))),
    ...(proxyJump === undefined ? [] : option('ProxyJump', proxyJump)),
  ]
}

export interface PinFiles {
  /** known_hosts lines of whole keys. */
  readonly knownHosts: string
  /** A script that ssh asks for known_hosts lines: it says the key that was shown when its fingerprint is pinned. */
  readonly script: string | undefined
}

/** Pins of the configuration ("ssh-ed25519 AAAA..." or "SHA256:...") as ssh can hold a host's key against them. */
export function pinFiles(pins: readonly string[]): PinFiles {
  const prints = pins.filter((pin) => FINGERPRINT.test(pin))
  const keys = pins.flatMap((pin) => {
    const words = pin.split(/\s+/)
    const at = words.findIndex((part) => /^[a-z0-9@.-]+$/.test(part) && /^(ssh|ecdsa|sk)-/.test(part))
    const key = words[at + 1]
    return at >= 0 && key !== undefined && /^[A-Za-z0-9+/]+=*$/.test(key)
      ? [`${PIN_NAME} ${words[at] ?? ''} ${key}\n`]
      : []
  })
  const cases = prints.map((print) => `${print}) printf '%s %s %s\\n' "$2" "$3" "$4" ;;\n`).join('')
  return { knownHosts: keys.join(''), script: prints.length === 0 ? undefined : `case $1 in\n${cases}esac\n` }
}

/** With pins no file of known hosts is asked, and no other source either. */
export function pinFlags(knownHosts: string, script: string | undefined): string[] {
  return [
    ...option('HostKeyAlias', PIN_NAME),
    ...option('CheckHostIP', 'no'),
    ...option('VerifyHostKeyDNS', 'no'),
    ...option('UserKnownHostsFile', word(knownHosts)),
    ...option('GlobalKnownHostsFile', 'none'),
    // Of OpenSSH 8.5; an older one is not asked for what it does not know.
    ...(script === undefined ? [] : option('KnownHostsCommand', `/bin/sh ${word(script)} %f %H %t %K`)),
  ]
}

export function option(name: string, value: string): string[] {
  return ['-o', `${name}=${value}`]
}

/** A value as ssh_config(5) reads it as one word. */
export function word(value: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are exactly what is refused
  if (/["\\\u0000-\u001f\u007f]/.test(value)) {
    throw new ShipError('config', `${JSON.stringify(value)} cannot be given to ssh`, {
      next: ['use a path without quotes, backslashes and control characters'],
    })
  }
  return `"${value}"`
}
