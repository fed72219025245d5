/**
 * A host by the system's own `ssh`, with the user's whole configuration, and big files by the system's `rsync`, which finds out what of a
 * file the host has. Everything but those files goes as over any other transport.
 */
import { Readable } from 'node:stream'
import { ShipError } from '../errors.ts'
import { escapeControls } from '../names.ts'
import { runLocal } from '../process.ts'
import { connectOpenSsh, type OpenSshConnection } from '../ssh/openssh/connection.ts'
import { dialOpenSsh, execOpenSsh } from './openssh.ts'
import { readByShell } from './read.ts'
import type { OpenOptions } from './index.ts'
import type { Host, PushedFiles, PushOptions, Transport } from './transport.ts'

/** Nothing moved for so long: the link is gone, or the host is. */
const STILL_SECONDS = 120
const RESUME_MS = 600_000

export async function rsyncTransport(host: Host, { signal, fresh }: OpenOptions): Promise<Transport> {
  const connection = await connectOpenSsh(host, host.hostKey ?? [], { signal, fresh })
  const isThere = await hasRsync()
  const exec: Transport['exec'] = (script, options) => execOpenSsh(connection, script, options)
  return {
    host,
    get connected() {
      return connection.lost() === undefined
    },
    // How many it admits shows when one is refused.
    crowded: true,
    exec,
    dial: (address, port, abort) => dialOpenSsh(connection, address, port, abort),
    read: (path, maxBytes) => readByShell(exec, path, maxBytes),
    push: isThere ? (files, options) => push(connection, files, options) : undefined,
    close: () => connection.close(),
  }
}

let found: Promise<boolean> | undefined

/** Without a local rsync everything is sent as over any other transport. */
function hasRsync(): Promise<boolean> {
  found ??= runLocal(['rsync', '--version'], { signal: AbortSignal.timeout(10_000) }).then(
    ({ code }) => code === 0,
    () => false,
  )
  return found
}

/**
 * After a cut the part that came is put before the like file: rsync looks for what it needs in one file only, and this one has both.
 * Arguments: where the files go, where the like ones are. A name of ours has no line break in it.
 */
const RESUME = `
[ -d "$1" ] || exit 0
find "$1" -type f -path '*/.ship-partial/*' | while IFS= read -r part; do
  name=\${part##*/}
  dir=\${part%/.ship-partial/*}
  cat "$part" "$2\${dir#"$1"}/$name" >"$dir/$name" 2>/dev/null
  rm -f "$part"
done
`

/**
 * Every file is compared by content, for sizes and times of releases say nothing. Modes and times are set later, by the list that all
 * files are held against. A file that did not come whole is kept beside, for the next try.
 */
async function push(connection: OpenSshConnection, files: PushedFiles, options: PushOptions): Promise<number> {
  const lost = connection.lost()
  if (lost) throw lost
  const { bytesPerSecond, signal } = options
  const resume = { name: 'resume', text: RESUME, args: [files.to, files.near] }
  await execOpenSsh(connection, resume, { signal, timeoutMs: RESUME_MS })
  const argv = [
    'rsync',
    `--rsh=${connection.client.map(shellWord).join(' ')}`,
    '--from0',
    '--files-from=-',
    '--ignore-times',
    '--no-whole-file',
    '--no-implied-dirs',
    '--protect-args',
    '--compress',
    '--partial-dir=.ship-partial',
    '--stats',
    '--info=progress2',
    `--timeout=${STILL_SECONDS}`,
    ...(bytesPerSecond === undefined ? [] : [`--bwlimit=${Math.max(1, Math.floor(bytesPerSecond / 1024))}`]),
    `--copy-dest=${files.near}`,
    `${files.folder}/`,
    `ship:${files.to}/`,
  ]
  // Without "./" a name that begins with "#" is a comment.
  const stdin = Readable.from([files.paths.map((path) => `./${path}\0`).join('')])
  const env = { LC_ALL: 'C' }
  const onStdout = (chunk: Buffer): void => {
    const done = /([\d,]+) +\d+%[^%]*$/.exec(chunk.toString('latin1'))?.[1]
    if (done !== undefined) options.onProgress?.(numberIn(done))
  }
  const { code, stdout, stderr } = await runLocal(argv, { signal, stdin, env, onStdout })
  if (code === 0) return sentBytes(stdout)
  const said = stderr.trim().split('\n').slice(-4)
  await Promise.race([connection.gone, new Promise((resolve) => void setTimeout(resolve, 500).unref())])
  throw (
    connection.lost() ??
    new ShipError('not-switched', `rsync ended with ${code}: ${escapeControls(said[0] ?? '')}`, {
      step: 'rsync',
      details: said.map((line) => escapeControls(line)),
    })
  )
}

/** A word of --rsh: quotes are doubled inside quotes there. */
function shellWord(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

function sentBytes(stats: string): number {
  return numberIn(/^Total bytes sent: ([\d,.]+)/m.exec(stats)?.[1] ?? '0')
}

function numberIn(text: string): number {
  return Number(text.replaceAll(/[,.]/g, ''))
}
