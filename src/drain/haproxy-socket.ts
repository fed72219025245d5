/**
 * HAProxy's runtime API: one question to its admin socket, and what it says of the servers of a backend.
 *
 * Source: docs.haproxy.org, "Unix Socket commands": "show servers state", "show stat", "set server"; admin states are the bits of
 * SRV_ADMF in its server-t.h.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Duplex } from 'node:stream'
import { ShipError, throwIfAborted } from '../errors.ts'
import { escapeControls } from '../names.ts'
import type { DrainHost, Standing } from './drain.ts'

export interface ServerState {
  readonly standing: Standing
  /** Requests under way to it and waiting for it. */
  readonly sessions: number
}

const MAX_ANSWER = 4 * 1024 * 1024
const ANSWER_MS = 10_000
/** Forced or inherited maintenance, by a person, the configuration, a host name that no longer resolves, or a tracked server. */
const MAINTENANCE = 0x01 | 0x02 | 0x04 | 0x20 | 0x40
const FORCED_DRAIN = 0x08
const INHERITED_DRAIN = 0x10
const RUNNING = '2'

/** Whichever program of the host can talk to a socket that is a file. Arguments: socket, commands. */
const BY_PROGRAM = `if command -v socat >/dev/null 2>&1; then printf '%s\\n' "$2" | socat -t 10 - "UNIX-CONNECT:$1"
elif nc -h 2>&1 | grep -q -e '-U'; then printf '%s\\n' "$2" | nc -U "$1"
elif command -v perl >/dev/null 2>&1; then perl -MIO::Socket::UNIX -e '$s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die "$!\\n"; print $s "$ARGV[1]\\n"; $s->flush; print while <$s>' "$1" "$2"
elif command -v python3 >/dev/null 2>&1; then python3 -c 'import socket, sys
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.sendall((sys.argv[2] + "\\n").encode())
for b in iter(lambda: s.recv(65536), b""): sys.stdout.buffer.write(b)' "$1" "$2"
else echo 'there is no socat' >&2; exit 127; fi`

/** Asks; commands are one line. Rejects with reason `not-switched` when there is no answer. */
export async function ask(host: DrainHost, socket: string, command: string, signal: AbortSignal): Promise<string> {
  const [, address, port] = /^\[?([^/\]]+)\]?:(\d+)$/.exec(socket) ?? []
  if (address !== undefined) return readAll(await host.dial(address, Number(port), signal), command)
  const argv = ['sh', '-c', BY_PROGRAM, 'ship', socket, command]
  const { code, stdout, stderr } = await host.run(argv, {
    signal,
    timeoutMs: ANSWER_MS,
    maxOutputBytes: MAX_ANSWER,
  })
  if (code === 0) return stdout
  const said = escapeControls(stderr.trim().split('\n').at(-1) ?? '').slice(0, 200)
  throw new ShipError('not-switched', `HAProxy does not answer at "${socket}"`, {
    details: said === '' ? [] : [said],
    next: [
      'let the deploy user into the socket: stats socket PATH mode 660 group GROUP level admin',
      'the balancer needs socat, nc -U, perl or python3; or name a socket as "127.0.0.1:PORT"',
    ],
  })
}

/** Servers of a backend by name; undefined when there is no such backend. */
export async function serverStates(
  host: DrainHost,
  { socket, backend, signal }: { readonly socket: string; readonly backend: string; readonly signal: AbortSignal },
): Promise<Map<string, ServerState> | undefined> {
  const answer = await ask(host, socket, `show servers state ${backend};show stat ${backend} 4 -1`, signal)
  const lines = answer.split('\n')
  const states = rows(lines, '# be_id ', ' ')
  const stats = new Map(rows(lines, '# pxname,', ',').map((row) => [row['svname'], row]))
  if (states.length === 0) return undefined
  return new Map(
    states.map((row) => {
      const name = row['srv_name'] ?? ''
      const stat = stats.get(name) ?? {}
      const sessions = Number(stat['scur'] ?? 0) + Number(stat['qcur'] ?? 0)
      return [name, { standing: standing(row), sessions }]
    }),
  )
}

/** Asks again every fifth of a second until `done` says so; false when the time is over first. */
export async function until(
  done: () => Promise<boolean>,
  { waitMs, signal }: { readonly waitMs: number; readonly signal: AbortSignal },
): Promise<boolean> {
  const started = performance.now()
  for (;;) {
    if (await done()) return true
    if (performance.now() - started > waitMs) return false
    await sleep(200, undefined, { signal }).catch(() => throwIfAborted(signal))
  }
}

function standing(row: Readonly<Record<string, string>>): Standing {
  const admin = Number(row['srv_admin_state'] ?? 0)
  if ((admin & MAINTENANCE) !== 0) return 'out'
  if ((admin & FORCED_DRAIN) !== 0) return 'drained'
  if ((admin & INHERITED_DRAIN) !== 0 || row['srv_uweight'] === '0') return 'out'
  return row['srv_op_state'] === RUNNING ? 'in' : 'sick'
}

/** Rows of a table whose head begins with a text, up to the next empty line, by the names of its columns. */
function rows(lines: readonly string[], head: string, separator: string): Record<string, string>[] {
  const at = lines.findIndex((line) => line.startsWith(head))
  if (at < 0) return []
  const names = (lines[at] ?? '').slice(2).split(separator)
  const end = lines.findIndex((line, index) => index > at && line.trim() === '')
  return lines.slice(at + 1, end < 0 ? undefined : end).map((line) => {
    const values = line.split(separator)
    return Object.fromEntries(names.map((name, index) => [name, values[index] ?? '']))
  })
}

async function readAll(stream: Duplex, command: string): Promise<string> {
  const late = setTimeout(() => stream.destroy(new Error('no answer')), ANSWER_MS)
  try {
    stream.write(`${command}\n`)
    const chunks: Buffer[] = []
    for await (const chunk of stream) chunks.push(chunk as Buffer)
    return Buffer.concat(chunks).toString('utf8')
  } finally {
    clearTimeout(late)
    stream.destroy()
  }
}
