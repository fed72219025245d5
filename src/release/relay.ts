/**
 * Payloads by way of a relay: each is sent to it once, and its own ssh brings it to the hosts behind. What it puts on a host counts as
 * what came before a cut, so it is believed as little as that: the host's own checks decide.
 */
import type { Environment } from '../config/environment.ts'
import { ShipError } from '../errors.ts'
import type { PackedContent } from '../formats/payload.ts'
import { inStep, type Io } from '../io.ts'
import { newToken } from '../names.ts'
import { commandLine, type Script } from '../shell.ts'
import { size } from '../size.ts'
import { addressOf } from '../transport/address.ts'
import { openTransport } from '../transport/index.ts'
import type { ExecOptions, Host, Transport } from '../transport/transport.ts'

export interface Relay {
  readonly name: string
  /** Puts a payload on a host, as if it had come before a cut. Rejects (reason `not-switched`) when the relay does not get there. */
  bring(host: Host, payload: PackedContent, signal: AbortSignal): Promise<void>
  close(): Promise<void>
}

/** Sending a big payload to a slow host. */
const LONG_MS = 1_800_000
const FORGET_MS = 10_000

/** A payload named $1 in a folder of the relay's user; those of runs that died go. */
const PLACE = `umask 077
dir=\${XDG_CACHE_HOME:-$HOME/.cache}/ship-relay
mkdir -p "$dir" || exit 1
find "$dir" -type f -mmin +1440 -exec rm -f {} +
file=$dir/$1
`
const KEEP = `${PLACE}cat >"$file" && wc -c <"$file"`
const FORGET = `${PLACE}rm -f "$file"`
/** By the relay's own key, and only to hosts that it knows. $2: configuration of its ssh, or "". */
const PUSH = `${PLACE}config=$2
shift 2
[ -z "$config" ] || set -- -F "$config" "$@"
exec ssh -T -o BatchMode=yes -o StrictHostKeyChecking=yes -o ConnectTimeout=10 -o ServerAliveInterval=5 "$@" <"$file"`
const TAKE = 'cat >"$1.$2" && mv -f "$1.$2" "$1" && wc -c <"$1"'

/** Connects to the relay of an environment. Rejects with reason `unreachable`, `auth` or `host-key`. */
export async function openRelay({ relay: place }: Environment, io: Io): Promise<Relay | undefined> {
  if (!place) return undefined
  const { host: relay, sshConfig } = place
  let opened: Transport | undefined
  await inStep(io.emit, { step: 'connect', host: relay.name }, async () => {
    opened = await openTransport(relay, { signal: io.signal })
    return 'as the relay'
  })
  const transport = opened as unknown as Transport
  const kept = new Map<string, Promise<void>>()
  // Of this run alone: what lay there before may have been changed.
  const own = newToken()
  const nameOf = ({ id }: Pick<PackedContent, 'id'>): string => `${id}.${own}`
  const ask = async (name: string, text: string, args: readonly string[], options: ExecOptions): Promise<number> => {
    const script: Script = { name, text, args }
    const { stdout, stderr, code } = await transport.exec(script, { timeoutMs: LONG_MS, ...options })
    if (code === 0) return Number(stdout.trim().split('\n').at(-1))
    const said = stderr.trim().split('\n').at(-1) ?? ''
    throw new ShipError('not-switched', `"${relay.name}" could not ${name}: ${said === '' ? `exit ${code}` : said}`)
  }
  const keep = async (payload: PackedContent): Promise<void> => {
    await inStep(io.emit, { step: 'relay', host: relay.name }, async () => {
      const options = { signal: io.signal, stdin: payload.open() }
      const bytes = await ask('keep it', KEEP, [nameOf(payload)], options)
      if (bytes !== payload.sizeBytes) throw new ShipError('not-switched', `"${relay.name}" got ${bytes} bytes of it`)
      return `${size(bytes)} sent, once for all hosts`
    })
  }
  return {
    name: relay.name,
    async bring(host, payload, signal) {
      const known = kept.get(payload.id) ?? keep(payload)
      kept.set(payload.id, known)
      await known
      const { user, hostname, port } = await addressOf(host, signal)
      const to = `${host.deployTo}/.ship/incoming/part-${payload.id}`
      const command = commandLine({ name: 'take', text: TAKE, args: [to, newToken()] })
      const words = ['-p', String(port), '--', `${user}@${hostname}`, command]
      const bytes = await ask(`bring it to ${host.name}`, PUSH, [nameOf(payload), sshConfig ?? '', ...words], {
        signal,
      })
      if (bytes !== payload.sizeBytes) throw new ShipError('not-switched', `"${host.name}" got ${bytes} bytes of it`)
    },
    async close() {
      const signal = AbortSignal.timeout(FORGET_MS)
      for (const id of kept.keys()) await ask('remove it', FORGET, [nameOf({ id })], { signal }).catch(() => undefined)
      await transport.close()
    },
  }
}
