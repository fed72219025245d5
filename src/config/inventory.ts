/** Hosts of an environment: strings with ranges, objects, or what a function returns -> plain hosts with unique names. */
import { resolve } from 'node:path'
import { ShipError } from '../errors.ts'
import { parseHostName } from '../names.ts'
import type { TransportName } from '../transport/index.ts'
import type { DebTarget, Host } from '../transport/transport.ts'
import { hostEntry, type HostEntry } from './host-entry.ts'
import type { EnvironmentConfig } from './schema.ts'

/** What hosts inherit, and what paths are relative to. */
export interface HostDefaults {
  readonly deployTo: string
  readonly transport: 'auto' | TransportName
  readonly knownHosts: string | undefined
  readonly projectDir: string
  /** Where packages are released. */
  readonly deb?: DebTarget | undefined
}

const MAX_HOSTS = 10_000
const INVENTORY_MS = 30_000

/** All hosts in the order in which they were written. */
export async function expandHosts(
  hosts: NonNullable<EnvironmentConfig['hosts']>,
  defaults: HostDefaults,
): Promise<Host[]> {
  const entries = typeof hosts === 'function' ? await dynamicHosts(hosts) : hosts
  const all = entries.flatMap((entry) => hostsOf(entry, defaults))
  const seen = new Set<string>()
  for (const { name } of all) {
    if (seen.has(name)) throw new ShipError('config', `host "${name}" is listed twice`)
    seen.add(name)
  }
  return all
}

/**
 * Expands `web[01:03].example` to web01, web02, web03 (zeros kept) and `db[a,b]` to dba, dbb; several brackets multiply. Brackets that
 * hold an IPv6 address stay.
 */
function expandRange(text: string): string[] {
  const match = /^([^[]*)\[([^\]]*)\](.*)$/.exec(text)
  if (!match) return [text]
  const [, head = '', inside = '', tail = ''] = match
  const items = rangeItems(inside)
  if (!items) {
    if (/^[0-9a-fA-F:.%]+$/.test(inside) && inside.split(':').length > 2)
      return expandRange(tail).map((rest) => `${head}[${inside}]${rest}`)
    throw new ShipError('config', `"[${inside}]" is not a range of hosts`, { next: ['write [01:03] or [a,b,c]'] })
  }
  const rest = expandRange(tail)
  if (items.length * rest.length > MAX_HOSTS) throw new ShipError('config', `"${text}" is more than ${MAX_HOSTS} hosts`)
  return items.flatMap((item) => rest.map((end) => `${head}${item}${end}`))
}

function rangeItems(inside: string): string[] | undefined {
  const range = /^(\d+):(\d+)$/.exec(inside)
  if (range) {
    const [, from = '', to = ''] = range
    const count = Number(to) - Number(from) + 1
    if (count < 1 || count > MAX_HOSTS)
      throw new ShipError('config', `range "[${inside}]" must count up, at most ${MAX_HOSTS} hosts`)
    return Array.from({ length: count }, (_, i) => String(Number(from) + i).padStart(from.length, '0'))
  }
  return /^[A-Za-z0-9-]+(,[A-Za-z0-9-]+)+$/.test(inside) ? inside.split(',') : undefined
}

async function dynamicHosts(list: () => unknown): Promise<HostEntry[]> {
  const late = Symbol('late')
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<symbol>((done) => {
    timer = setTimeout(() => done(late), INVENTORY_MS)
  })
  try {
    const result = await Promise.race([list(), timeout])
    if (result === late)
      throw new ShipError('config', `the hosts function did not answer within ${INVENTORY_MS / 1000} s`)
    const parsed = hostEntry.array().min(1, 'names no host').safeParse(result)
    if (parsed.success) return parsed.data
    const details = parsed.error.issues.map((i) => `${i.path.join('.') || 'hosts'}: ${i.message}`)
    throw new ShipError('config', 'the hosts function returned something that is no list of hosts', { details })
  } catch (error) {
    if (error instanceof ShipError) throw error
    throw new ShipError('config', `the hosts function failed: ${String(error)}`, { cause: error })
  } finally {
    clearTimeout(timer)
  }
}

function hostsOf(entry: HostEntry, defaults: HostDefaults): Host[] {
  const object = typeof entry === 'string' ? parseHostText(entry) : entry
  return expandRange(object.host).map((text) => oneHost({ ...object, ...splitAddress(text, object) }, defaults))
}

type Fields = Exclude<HostEntry, string>

function parseHostText(text: string): Fields {
  return { host: text, roles: [], labels: {}, env: {} }
}

/** `user@host:port` inside a host text; the object's own fields win. */
function splitAddress(text: string, own: Fields): Pick<Fields, 'host' | 'user' | 'port'> {
  const match = /^(?:([^@]*)@)?(\[[^\]]+\]|[^:[\]]+|[0-9a-fA-F:]+:[0-9a-fA-F:]*)(?::(\d+))?$/.exec(text)
  if (!match)
    throw new ShipError('config', `"${text}" is not a host`, {
      next: ['write "user@host:port"; IPv6 addresses in brackets'],
    })
  const [, user, host = '', port] = match
  if (user !== undefined && !/^[A-Za-z_][A-Za-z0-9._-]*\$?$/.test(user))
    throw new ShipError('config', `"${user}" of "${text}" is not a user name`)
  const number = port === undefined ? undefined : Number(port)
  if (number !== undefined && (number < 1 || number > 65_535))
    throw new ShipError('config', `"${port}" of "${text}" is not a port`)
  return { host, user: own.user ?? user, port: own.port ?? number }
}

function oneHost(fields: Fields, defaults: HostDefaults): Host {
  const address = fields.host.replace(/^\[(.*)\]$/, '$1')
  const local = fields.local === undefined ? undefined : resolve(defaults.projectDir, fields.local)
  const wanted = fields.transport ?? defaults.transport
  const transport = local === undefined ? wanted : 'local'
  const file = (path: string | undefined): string | undefined =>
    path === undefined ? undefined : resolvePath(path, defaults.projectDir)
  return {
    name: parseHostName(
      fields.port === undefined
        ? address
        : address.includes(':')
          ? `[${address}]:${fields.port}`
          : `${address}:${fields.port}`,
    ),
    address,
    port: fields.port,
    user: fields.user,
    identityFile: file(fields.identityFile),
    knownHosts: file(fields.knownHosts) ?? defaults.knownHosts,
    hostKey: typeof fields.hostKey === 'string' ? [fields.hostKey] : fields.hostKey,
    proxyJump: fields.proxyJump,
    roles: fields.roles,
    labels: fields.labels,
    env: fields.env,
    deployTo: folderOf(local ?? fields.deployTo ?? defaults.deployTo, defaults.deb),
    deb: defaults.deb,
    transport,
  }
}

function resolvePath(path: string, projectDir: string): string {
  return path.startsWith('~/') ? `${process.env['HOME'] ?? ''}${path.slice(1)}` : resolve(projectDir, path)
}

const SYSTEM_FOLDERS = new Set([
  '/',
  '/bin',
  '/boot',
  '/dev',
  '/etc',
  '/home',
  '/lib',
  '/opt',
  '/proc',
  '/root',
  '/run',
  '/sbin',
  '/srv',
  '/sys',
  '/tmp',
  '/usr',
  '/var',
])

/** A package has its folder in its name and its scripts. */
function folderOf(path: string, deb: DebTarget | undefined): string {
  const folder = safeFolder(path)
  if (!deb || folder === `/opt/${deb.package}`) return folder
  throw new ShipError('config', `deployTo is "${folder}", and the package is installed in /opt/${deb.package}`, {
    next: ['with format "deb" leave deployTo out; deb.package names the folder'],
  })
}

/** A folder that may belong to one app: absolute, clean, and none that the system owns. */
function safeFolder(path: string): string {
  const clean = path.replace(/\/+$/, '') || '/'
  // oxlint-disable-next-line no-control-regex -- control characters are exactly what is refused
  if (!clean.startsWith('/') || /(^|\/)\.{1,2}(\/|$)|\/\/|[\u0000-\u001f\u007f]/.test(clean)) {
    throw new ShipError('config', `deployTo "${path}" is not a clean absolute path`)
  }
  if (SYSTEM_FOLDERS.has(clean)) {
    throw new ShipError('config', `deployTo "${clean}" belongs to the system`, {
      next: [`use a folder of the app's own, for example /opt/<name>`],
    })
  }
  return clean
}
