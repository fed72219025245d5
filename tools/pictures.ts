/**
 * Writes docs/live-3.svg and docs/live-50.svg: the live list in the middle of an upload, and the end of a release that failed on some hosts,
 * as a terminal of 80 columns shows them. Real releases to real sshd on loopback. With a folder: more moments, as SVG, into it.
 * Usage: node tools/pictures.ts [folder]
 */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { NODE, plainEnvironment, SHIP } from '../test/support/cli.ts'
import { startFleet, type Fleet } from '../test/support/fleet.ts'
import { noise } from './terminal/noise.ts'
import { onPty, type Piece } from './terminal/pty.ts'
import { framesOf, pageOf, textOf, type Frame, type Line } from './terminal/screen.ts'
import { pictureOf } from './terminal/svg.ts'

const SIZE = { columns: 80, rows: 40 }
const DOCS = join(import.meta.dirname, '../docs')
const FILES = 12
const FILE_BYTES = 100_000
/** Answers like an app that needs a moment, and with 500 on hosts that are called broken. */
const CHECK = `#!/bin/sh
sleep "$(echo "$SHIP_HOST" | sed 's/[^0-9]//g' | awk '{ print 1 + ($1 % 7) / 4 }')"
if [ "$SHIP_VERSION" = 1.2.0 ] && [ -n "$BROKEN" ]; then echo '500 no connection to the database'; exit 1; fi
echo 200
`

const [folder] = process.argv.slice(2)
for (const size of [3, 50]) await picturesOf(size)

async function picturesOf(size: number): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'ship-'))
  const fleet = await startFleet(size)
  try {
    const ship = async (version: string, args: string): Promise<readonly Piece[]> => {
      configure(dir, fleet, version)
      const env = {
        ...plainEnvironment(),
        PATH: [dirname(NODE), process.env['PATH'] ?? ''].join(':'),
        SHIP_CACHE_DIR: dir,
        SHIP_SSH_CONFIG: fleet.sshConfigFile,
      }
      const { pieces } = await onPty([NODE, SHIP, ...args.split(' ')], { cwd: dir, env, ...SIZE })
      return pieces
    }
    makeApp(dir)
    await ship('1.1.0', 'build')
    const plan = await ship('1.1.0', 'plan')
    const good = await ship('1.1.0', 'release --yes')
    writeFileSync(join(dir, 'app/news'), '1.2.0')
    await ship('1.2.0', 'build')
    const bad = await ship('1.2.0', 'release --yes')
    const status = await ship('1.2.0', 'status')
    const [frames, badFrames] = [await framesOf(good, SIZE, 50), await framesOf(bad, SIZE, 50)]
    const moments: Record<string, readonly Line[]> = {
      plan: await pageOf(textIn(plan), SIZE),
      upload: middle(frames, /stage +\d+ of /),
      gate: middle(frames, /gate +[1-9]\d* of /),
      end: await pageOf(textIn(good), SIZE),
      failing: middle(badFrames, /gate .* failed/),
      failed: await pageOf(textIn(bad), SIZE),
      status: await pageOf(textIn(status), SIZE),
    }
    for (const [name, lines] of Object.entries(moments)) {
      if (folder !== undefined) draw(join(folder, `${name}-${size}.svg`), lines, `${name}, ${size} hosts`)
    }
    const title = `Live list of a release to ${size} hosts`
    draw(join(DOCS, `live-${size}.svg`), moments['upload'] ?? [], `${title}, in the middle of the upload`)
    draw(join(DOCS, `failed-${size}.svg`), moments['failed'] ?? [], `${title} that failed and was taken back`)
  } finally {
    await fleet.dispose()
    rmSync(dir, { recursive: true, force: true })
  }
}

function draw(file: string, lines: readonly Line[], title: string): void {
  writeFileSync(file, pictureOf(lines, { title, size: { columns: SIZE.columns, rows: lines.length } }))
  console.log(`${file}: ${lines.length} lines`)
}

/** The screen in the middle of those on which something stands, without the blank rest of it. */
function middle(frames: readonly Frame[], wanted: RegExp): readonly Line[] {
  const found = frames.filter(({ lines }) => lines.some((line) => wanted.test(textOf(line))))
  const lines = found[Math.floor(found.length / 2)]?.lines
  if (!lines) throw new Error(`no screen shows ${String(wanted)}`)
  return lines.slice(0, lines.findLastIndex((line) => line.length > 0) + 1)
}

function textIn(pieces: readonly Piece[]): string {
  return pieces.map(({ data }) => data).join('')
}

function makeApp(dir: string): void {
  mkdirSync(join(dir, 'app/media'), { recursive: true })
  mkdirSync(join(dir, 'app/bin'))
  writeFileSync(join(dir, 'app/bin/check'), CHECK)
  chmodSync(join(dir, 'app/bin/check'), 0o755)
  for (let n = 1; n <= FILES; n++) writeFileSync(join(dir, `app/media/photo-${n}.jpg`), noise(FILE_BYTES, n))
}

function configure(dir: string, { hosts }: Fleet, version: string): void {
  const entries = hosts.map(({ name, root }, index) => ({
    host: name,
    deployTo: join(root, 'shop'),
    env: { BROKEN: index % 17 === 1 ? 'yes' : '' },
  }))
  const config = {
    name: 'shop',
    version,
    build: { from: 'app' },
    release: {
      limit: `${hosts.length * 0.3}MB/s`,
      health: [{ exec: 'bin/check', interval: '500ms', timeout: '10s', deadline: '3s' }],
    },
    environments: { production: { hosts: entries } },
  }
  writeFileSync(join(dir, 'ship.config.json'), JSON.stringify(config))
}
