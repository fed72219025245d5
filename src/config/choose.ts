/** Which environment of a configuration is meant, and which of its hosts. Pure. */
import { ShipError } from '../errors.ts'
import type { Host } from '../transport/transport.ts'
import { nearest } from './nearest.ts'
import type { Config } from './schema.ts'

/** Which environment and which of its hosts; `hosts` are names, or "label:KEY=VALUE", and may hold `*`. */
export interface Selection {
  readonly name?: string | undefined
  readonly hosts?: readonly string[] | undefined
  readonly roles?: readonly string[] | undefined
}

/** The one that was named, or the only one. Rejects with reason `usage` or `config`. */
export function chooseEnvironment(config: Config, wanted: string | undefined): string {
  const names = Object.keys(config.environments)
  const [only] = names
  if (wanted !== undefined) {
    if (names.includes(wanted)) return wanted
    throw new ShipError('usage', `there is no environment "${wanted}"${meant(wanted, names)}`, {
      next: [`known: ${names.join(', ') || 'none'}`],
    })
  }
  if (only === undefined)
    throw new ShipError('config', 'the configuration has no environments', {
      next: ['add "environments" with the hosts to release to'],
    })
  if (names.length > 1) throw new ShipError('usage', 'which environment?', { next: names.map((n) => `-e ${n}`) })
  return only
}

/** Hosts that one of the names or labels means, and of those the ones with one of the roles. A word that means none is refused. */
export function chooseHosts(
  hosts: readonly Host[],
  { hosts: words = [], roles = [] }: Selection,
  environment: string,
): Host[] {
  const tests = words.map((word) => {
    const test = testOf(word)
    if (!hosts.some(test)) throw meansNobody(word, hosts, environment)
    return test
  })
  const chosen = hosts
    .filter((h) => tests.length === 0 || tests.some((test) => test(h)))
    .filter((h) => roles.length === 0 || h.roles.some((role) => roles.includes(role)))
  if (chosen.length > 0) return chosen
  const known = [...new Set(hosts.flatMap((h) => h.roles))]
  throw new ShipError('usage', `no host of "${environment}" has a role of ${roles.join(', ')}`, {
    next: [`known roles: ${known.join(', ') || 'none'}`],
  })
}

const LABEL = /^label:([^=]+)=(.*)$/

function testOf(word: string): (host: Host) => boolean {
  const [, key, value = ''] = LABEL.exec(word) ?? []
  const pattern = patternOf(key === undefined ? word : value)
  if (key === undefined) return ({ name }) => pattern.test(name)
  return ({ labels }) => {
    const own = Object.hasOwn(labels, key) ? labels[key] : undefined
    return own !== undefined && pattern.test(own)
  }
}

function meansNobody(word: string, hosts: readonly Host[], environment: string): ShipError {
  if (LABEL.test(word)) {
    const known = new Set(hosts.flatMap(({ labels }) => Object.entries(labels).map(([k, v]) => `label:${k}=${v}`)))
    return new ShipError('usage', `no host of "${environment}" has "${word}"${meant(word, [...known])}`, {
      next: [`known: ${[...known].join(', ') || 'no labels'}`],
    })
  }
  const names = hosts.map((h) => h.name)
  return new ShipError('usage', `no host of "${environment}" is called "${word}"${meant(word, names)}`, {
    next: [`known: ${names.join(', ')}`],
  })
}

function meant(word: string, known: readonly string[]): string {
  const near = nearest(word, known)
  return near === undefined ? '' : `; did you mean "${near}"?`
}

function patternOf(text: string): RegExp {
  const escaped = text.split('*').map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${escaped.join('.*')}$`)
}
