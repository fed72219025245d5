/**
 * Writes docs/demo.svg: a terminal in which an app is built, released to three hosts, broken, taken back, and rolled back. What it
 * shows is what ship wrote to a pty, at its speed or a little faster; the hosts are real sshd on loopback. Only the typing is played.
 * Usage: node tools/record.ts
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { NODE, plainEnvironment, SHIP } from '../test/support/cli.ts'
import { startFleet, type Fleet } from '../test/support/fleet.ts'
import { noise } from './terminal/noise.ts'
import { onPty, type Piece, type PtyOptions } from './terminal/pty.ts'
import { framesOf, pageOf, textOf } from './terminal/screen.ts'
import { filmOf } from './terminal/svg.ts'

const SIZE = { columns: 80, rows: 24 }
const ROOT = join(import.meta.dirname, '..')
const OUT = join(ROOT, 'docs/demo.svg')
const MOST_BYTES = 150_000
const MOST_MS = 40_000
const MOST_SPEED = 1.3
const TYPE_MS = 30
const FRAME_MS = 125
const HOLD_MS = 3000
const CLEAR = '\u001B[2J\u001B[H'

interface Act {
  /** A comment before the command, as people write them into a shell. */
  readonly says?: string
  readonly args: string
  readonly code?: number
  readonly edit?: (project: string) => void
  readonly answers?: PtyOptions['answers']
  /** How long its result stays. */
  readonly restMs: number
  /** Begins on an empty screen. */
  readonly clears?: boolean
}

const ACTS: readonly Act[] = [
  { args: 'build', restMs: 900 },
  {
    args: 'release -e production',
    answers: [{ when: '[y/N]', type: 'y\n', afterMs: 1300 }],
    restMs: 1800,
  },
  {
    says: 'the next version answers every request with 500',
    edit: breakApp,
    args: 'build -q',
    restMs: 300,
    clears: true,
  },
  { args: 'release -e production --yes', code: 6, restMs: 3500 },
  {
    says: 'all hosts are back by themselves; now to the version before',
    args: 'rollback -e production --yes',
    restMs: 0,
    clears: true,
  },
]

const dir = mkdtempSync(join(tmpdir(), 'ship-'))
const fleet = await startFleet(3)
try {
  const project = join(dir, 'shop')
  makeProject(project, fleet)
  await play({ args: 'build', restMs: 0 }, project)
  await play({ args: 'release --yes', restMs: 0 }, project)
  setVersion(project, '1.1.0')
  mkdirSync(join(project, 'media'))
  for (let n = 1; n <= 12; n++) writeFileSync(join(project, `media/photo-${n}.jpg`), noise(600_000, n))

  const pieces: Piece[] = []
  let nowMs = 0
  const add = (data: string, forMs: number): void => {
    pieces.push({ atMs: nowMs, data })
    nowMs += forMs
  }
  for (const act of ACTS) {
    act.edit?.(project)
    add(`${act.clears ? CLEAR : ''}${act.says === undefined ? '' : `\u001B[90m# ${act.says}\u001B[0m\r\n`}`, 0)
    type(`ship ${act.args}`, add)
    const { pieces: shown, durationMs } = await play(act, project)
    for (const { atMs, data } of shown) pieces.push({ atMs: nowMs + atMs, data })
    nowMs += durationMs
    add('', act.restMs)
    add('\r\n', 0)
  }
  // On a machine that is busy with other things all of it takes longer than where one works.
  const speed = Math.max(1, nowMs / (MOST_MS - HOLD_MS - 1000))
  const frames = await framesOf(
    pieces.map(({ atMs, data }) => ({ atMs: atMs / speed, data })),
    SIZE,
    FRAME_MS,
  )
  const title =
    'A terminal: ship builds an app, releases it to three hosts, takes a broken release back, and rolls back'
  const svg = filmOf(frames, HOLD_MS, { title, size: SIZE })
  const lastsMs = (frames.at(-1)?.atMs ?? 0) + HOLD_MS
  writeFileSync(OUT, svg)
  console.log(
    `${OUT}: ${svg.length} bytes, ${frames.length} screens, ${(lastsMs / 1000).toFixed(1)} s, ${speed.toFixed(2)} times as fast`,
  )
  if (svg.length > MOST_BYTES || lastsMs > MOST_MS || speed > MOST_SPEED)
    throw new Error('the recording is too big or too long')
} finally {
  for (const { root } of fleet.hosts) stopApp(root)
  await fleet.dispose()
  rmSync(dir, { recursive: true, force: true })
}

async function play({ args, code = 0, answers }: Act, cwd: string) {
  const env = {
    ...plainEnvironment(),
    PATH: [dirname(NODE), process.env['PATH'] ?? ''].join(':'),
    SHIP_CACHE_DIR: dir,
    SHIP_SSH_CONFIG: fleet.sshConfigFile,
  }
  const recorded = await onPty([NODE, SHIP, ...args.split(' ')], { cwd, env, ...SIZE, ...(answers ? { answers } : {}) })
  if (recorded.code === code) return recorded
  const said = await pageOf(recorded.pieces.map((piece) => piece.data).join(''), SIZE)
  throw new Error(`"ship ${args}" ended with ${recorded.code}:\n${said.map(textOf).join('\n')}`)
}

function type(line: string, add: (data: string, forMs: number) => void): void {
  add('\u001B[36m$\u001B[0m ', 500)
  for (const char of line) add(`\u001B[1m${char}\u001B[0m`, TYPE_MS)
  add('', 250)
  add('\r\n', 0)
}

function makeProject(project: string, { hosts }: Fleet): void {
  cpSync(join(ROOT, 'fixtures/node-app'), project, { recursive: true })
  const server = join(project, 'server.js')
  // Each host has its own address here, as hosts do.
  writeFileSync(server, readFileSync(server, 'utf8').replace("'127.0.0.1'", 'process.env.ADDRESS'))
  const config = {
    name: 'shop',
    build: { recipe: 'node-app' },
    release: {
      shared: { dirs: ['run'] },
      limit: '6MB/s',
      hooks: { afterSwitch: ['bin/restart'] },
      health: [{ http: 'http://{ip}:8080/healthz', interval: '500ms', deadline: '3s' }],
    },
    environments: {
      production: {
        hosts: hosts.map(({ name, root, address }) => ({
          host: name,
          deployTo: join(root, 'shop'),
          labels: { ip: address },
          env: { ADDRESS: address },
        })),
      },
    },
  }
  writeFileSync(join(project, 'ship.config.json'), JSON.stringify(config))
}

function setVersion(project: string, version: string): void {
  for (const name of ['package.json', 'package-lock.json']) {
    const file = join(project, name)
    writeFileSync(file, readFileSync(file, 'utf8').replaceAll(/"version": "1\.\d\.0"/g, `"version": "${version}"`))
  }
}

function breakApp(project: string): void {
  setVersion(project, '1.2.0')
  const file = join(project, 'server.js')
  const answers = "  if (request.url === '/healthz')"
  writeFileSync(file, readFileSync(file, 'utf8').replace(answers, `  response.statusCode = 500\n${answers}`))
}

/** Ends the app that the hook started. */
function stopApp(root: string): void {
  try {
    process.kill(Number(readFileSync(join(root, 'shop/shared/run/pid'), 'utf8')), 'SIGTERM')
  } catch {
    // None was started, or it ended by itself.
  }
}
