/**
 * A real Debian 12 in a folder, for what only dpkg itself can judge. It is made once by mmdebstrap from this machine's own package
 * sources and kept as a tar in the user's cache folder; a test unpacks its own. It has no running systemd, but what packages of services
 * need: init-system-helpers, sysusers and tmpfiles. And sudo, for users who install packages.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe } from 'vitest'

const NEEDED = ['mmdebstrap', 'chroot', 'unshare', 'flock', 'dpkg-deb'].filter(
  (name) => !['/usr/bin', '/usr/sbin', '/bin', '/sbin'].some((folder) => existsSync(join(folder, name))),
)
/** Why there is no root on this machine; undefined when there is one. */
const MISSING =
  process.getuid?.() === 0
    ? NEEDED.length === 0
      ? undefined
      : `without ${NEEDED.join(', ')}`
    : 'without the rights of root'

/** For what needs a Debian root: skipped, and said so, where none can be made. */
export function describeInDebian(name: string, tests: () => void): void {
  const title = MISSING === undefined ? name : `${name} (skipped ${MISSING})`
  // dpkg waits for the disk, and a busy machine makes it wait long.
  describe.skipIf(MISSING !== undefined)(title, { timeout: 600_000 }, tests)
}

const PACKAGES = ['systemd-standalone-sysusers', 'systemd-standalone-tmpfiles', 'sudo']
const OPTIONS = [
  '--variant=apt',
  `--include=${PACKAGES.join(',')}`,
  // As many container images do; and it makes the root small.
  ...['man', 'locale', 'doc'].map((folder) => `--dpkgopt=path-exclude=/usr/share/${folder}/*`),
  '--dpkgopt=force-unsafe-io',
]
/** Debian's policy for services (deb-systemd-invoke asks it) stays as it is: all is allowed. */
const ENVIRONMENT = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: '/root',
  LC_ALL: 'C.UTF-8',
  DEBIAN_FRONTEND: 'noninteractive',
}

interface RootResult {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface DebianRoot {
  /** Folder that is `/` inside. */
  readonly path: string
  /** Runs a program inside to its end. `onStart` gets its process: the program itself, to be killed. */
  run(argv: readonly string[], options?: { readonly onStart?: (child: ChildProcess) => void }): Promise<RootResult>
  /** Starts a program inside that stays; it and all that it starts end with the root, or by `stop`. */
  start(argv: readonly string[]): { readonly output: () => string; stop(): Promise<void> }
  dispose(): Promise<void>
}

/** What is unmounted outside is unmounted in such a namespace as well, else a disk of another test would stay in use there. */
const NAMESPACE = ['--mount', '--propagation', 'slave']

/** Unpacks a root, in a new folder of `below`. The first time, it takes mmdebstrap half a minute. */
export function debianRoot(below = tmpdir()): DebianRoot {
  const tar = cachedTar()
  const dir = mkdtempSync(join(below, 'ship-debian-'))
  const path = join(dir, 'root')
  mkdirSync(path)
  execFileSync('tar', ['-xf', tar, '-C', path, '--numeric-owner'])
  const stops: (() => Promise<void>)[] = []
  return {
    path,
    run: (argv, options = {}) =>
      new Promise((resolve, reject) => {
        // With /proc, which systemd-tmpfiles needs; each program replaces the one before, so the process is the wanted one.
        const child = spawn('unshare', [...NAMESPACE, `--mount-proc=${join(path, 'proc')}`, 'chroot', path, ...argv], {
          env: ENVIRONMENT,
          stdio: ['ignore', 'pipe', 'pipe'],
        })
        const [stdout, stderr] = [textOf(child.stdout), textOf(child.stderr)]
        child.on('error', reject)
        // Not `close`: what a killed dpkg leaves behind may hold its output open.
        child.on('exit', (code, signal) =>
          setImmediate(() => resolve({ code, signal, stdout: stdout(), stderr: stderr() })),
        )
        options.onStart?.(child)
      }),
    start(argv) {
      // A PID namespace of its own: its first process takes all others with it.
      const own = [...NAMESPACE, '--pid', '--fork', '--kill-child', `--mount-proc=${join(path, 'proc')}`]
      const child = spawn('unshare', [...own, 'chroot', path, ...argv], {
        env: ENVIRONMENT,
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      const [stdout, stderr] = [textOf(child.stdout), textOf(child.stderr)]
      const ended = new Promise<void>((resolve) => child.on('close', () => resolve()))
      const stop = async (): Promise<void> => {
        child.kill('SIGKILL')
        await ended
      }
      stops.push(stop)
      return { output: () => stdout() + stderr(), stop }
    },
    async dispose() {
      await Promise.all(stops.map((stop) => stop()))
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

/** The packed root; a lock keeps two test files from making it twice. */
function cachedTar(): string {
  const sources = globSync(['/etc/apt/sources.list', '/etc/apt/sources.list.d/*.{list,sources}']).filter((file) =>
    /^(?!\s*#).*\bbookworm\b/m.test(readFileSync(file, 'utf8')),
  )
  const key = createHash('sha256')
    .update(JSON.stringify([OPTIONS, sources]))
    .digest('hex')
    .slice(0, 12)
  const folder = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'slipway-tests')
  const tar = join(folder, `debian12-${key}.tar`)
  mkdirSync(folder, { recursive: true })
  const make = 'test -e "$1" || { out=$1; shift; mmdebstrap "$@" >&2 && mv "$out.new.tar" "$out"; }'
  const args = [...OPTIONS, '--quiet', 'bookworm', `${tar}.new.tar`, ...sources]
  execFileSync('flock', [`${tar}.lock`, 'sh', '-c', make, 'sh', tar, ...args], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  return tar
}

function textOf(stream: NodeJS.ReadableStream | null): () => string {
  const chunks: Buffer[] = []
  stream?.on('data', (chunk: Buffer) => chunks.push(chunk))
  return () => Buffer.concat(chunks).toString('utf8')
}
