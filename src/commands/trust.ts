/** `ship trust`: shows the host keys, asks, and pins them. A changed key is an alarm: it is replaced with `--replace` only. */
import { homedir } from 'node:os'
import { join, relative } from 'node:path'
import { ShipError } from '../errors.ts'
import { stepOnHosts } from '../fleet/fleet.ts'
import { allOrThrow } from '../fleet/results.ts'
import { pinHostKeys, scanHostKey, type ShownKey } from '../provision/pin-host-keys.ts'
import { verdict } from '../ssh/known-hosts.ts'
import { readKnownHosts } from '../ssh/verify.ts'
import type { Host } from '../transport/transport.ts'
import { count } from '../ui/measure.ts'
import type { View } from '../ui/renderer.ts'
import { table, type Cell } from '../ui/table.ts'
import type { Context, RunCommand } from './command.ts'
import { nothingDone } from './production.ts'
import { chosenEnvironment } from './project.ts'

interface Judged {
  readonly shown: ShownKey
  /** File that it is looked up in and pinned to. */
  readonly file: string
  readonly standing: 'known' | 'new' | 'changed' | 'revoked'
}

const PAINT = { known: 'green', new: 'yellow', changed: 'red', revoked: 'red' } as const

export const run: RunCommand = async (input, context) => {
  const environment = await chosenEnvironment(input, context)
  const hosts = environment.hosts.filter((h) => h.transport !== 'local')
  const keys = await shownKeys(hosts, context)
  const wanted = keys.filter((k) => k.standing === 'new' || (k.standing === 'changed' && input.on('replace')))
  const wasAsked = wanted.length > 0 && context.prompts.interactive && !context.yes
  if (wanted.length > 0 && !(await agreed(keys, wanted.length, context))) {
    return nothingDone({ keys, pinned: [] })
  }
  for (const file of new Set(wanted.map((k) => k.file))) {
    const mine = wanted.filter((k) => k.file === file).map((k) => k.shown)
    await pinHostKeys(file, mine, { replace: input.on('replace') })
  }
  const alarming = keys.filter((k) => !wanted.includes(k) && k.standing !== 'known')
  return {
    data: { keys, pinned: wanted.map((k) => k.shown.host) },
    // Who was asked has seen them.
    text: (view) => [...(wasAsked ? [] : keyLines(keys, view)), ...closing(keys, wanted, context.cwd)],
    error: alarming.length > 0 ? changedError(alarming) : undefined,
    next: [`ship check -e ${environment.name}`],
  }
}

async function shownKeys(hosts: readonly Host[], { io }: Context): Promise<Judged[]> {
  const results = await stepOnHosts(io, 'scan', hosts, async (host) => {
    const shown = await scanHostKey(host, io.signal)
    const file = shown.files[0] ?? join(homedir(), '.ssh/known_hosts')
    return { value: { shown, file, standing: await standingOf(shown) }, note: shown.fingerprint }
  })
  return allOrThrow(results, { state: 'nothing was pinned' })
}

async function standingOf(shown: ShownKey): Promise<Judged['standing']> {
  const known = await readKnownHosts(shown.files)
  const { kind } = verdict(known, shown.names, Buffer.from(shown.key, 'base64'))
  return kind === 'ok' ? 'known' : kind === 'unknown' ? 'new' : kind
}

/** A key is pinned after somebody compared it; without a terminal that somebody says `--yes`. */
async function agreed(keys: readonly Judged[], pinning: number, context: Context): Promise<boolean> {
  if (context.yes) return true
  if (!context.prompts.interactive) {
    throw new ShipError('usage', 'host keys are pinned only when somebody has compared them', {
      details: keys.map(({ shown, standing }) => `${shown.host}: ${shown.type} ${shown.fingerprint} (${standing})`),
      state: 'nothing was pinned',
      next: ['compare them with "ssh-keygen -lf" on the hosts, then add --yes'],
    })
  }
  await context.settle()
  context.say((view) => [...keyLines(keys, view), ...whereToCompare(keys)])
  const where = filesOf(
    keys.filter((k) => k.standing !== 'known'),
    context.cwd,
  )
  return context.prompts.confirm(`pin ${count(pinning, 'key')} in ${where}?`)
}

/** A fingerprint is worth what it is compared with: one line for each kind of key. */
function whereToCompare(keys: readonly Judged[]): readonly string[] {
  const kinds = new Set(keys.map(({ shown }) => shown.type.replace(/^ssh-|-sha2-.*$/g, '')))
  return [...kinds].map((kind) => `to compare, on the host: ssh-keygen -lf /etc/ssh/ssh_host_${kind}_key.pub`)
}

function keyLines(keys: readonly Judged[], view: View): readonly string[] {
  const columns = [{ title: 'HOST' }, { title: 'TYPE' }, { title: 'FINGERPRINT' }, { title: 'KEY' }]
  const rows = keys.map(({ shown, standing }): Cell[] => [
    shown.host,
    shown.type,
    shown.fingerprint,
    { text: standing, paint: PAINT[standing] },
  ])
  return table(columns, rows, view)
}

function filesOf(keys: readonly Judged[], cwd: string): string {
  return [...new Set(keys.map((k) => shortPath(k.file, cwd)))].join(', ')
}

/** As a person would write it who stands in that folder. */
function shortPath(file: string, cwd: string): string {
  const below = relative(cwd, file)
  if (!below.startsWith('..')) return below
  return file.startsWith(`${homedir()}/`) ? `~${file.slice(homedir().length)}` : file
}

function closing(keys: readonly Judged[], wanted: readonly Judged[], cwd: string): readonly string[] {
  if (keys.length === 0) return ['no host is reached over SSH: nothing to trust']
  if (wanted.length === 0) return keys.every((k) => k.standing === 'known') ? ['all keys are known'] : []
  return [`${count(wanted.length, 'key')} pinned in ${filesOf(wanted, cwd)}`]
}

function changedError(keys: readonly Judged[]): ShipError {
  const names = keys.map((k) => k.shown.host).join(', ')
  const revoked = keys.some((k) => k.standing === 'revoked')
  return new ShipError('host-key', `the host key is ${revoked ? 'revoked' : 'another one than is known'}`, {
    host: names,
    details: ['either the host was set up anew, or somebody else answers in its place'],
    state: 'these keys were not pinned',
    next: revoked
      ? [`look for "@revoked" in ${keys[0]?.file ?? ''}`]
      : ['when you know why it changed: ship trust --replace'],
  })
}
