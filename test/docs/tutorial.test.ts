/**
 * The tutorial is played as it is written: its commands in their order, in an empty folder, against two real sshd. Only what must differ
 * here is put in the place of what stands there: who logs in, and the folder of each host, which are on one machine.
 */
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { NODE, SHIP } from '../support/cli.ts'
import { startFleet, type Fleet } from '../support/fleet.ts'
import { describeOverSsh } from '../support/sshd.ts'
import { blocksOf, ROOT, where, type Block } from './pages.ts'

const FILE = 'docs/tutorial.md'
const BLOCKS = blocksOf(FILE, readFileSync(join(ROOT, FILE), 'utf8'))

describeOverSsh('the tutorial', () => {
  const dir = mkdtempSync(join(tmpdir(), 'ship-tutorial-'))
  let fleet: Fleet
  let env: Record<string, string>
  beforeAll(async () => {
    fleet = await startFleet(2)
    const sshConfig = join(dir, 'ssh_config')
    // "web1.example" is web1, and no key is known before "ship trust".
    const known = readFileSync(fleet.sshConfigFile, 'utf8').replaceAll(
      /UserKnownHostsFile .*/g,
      'UserKnownHostsFile none',
    )
    writeFileSync(sshConfig, known.replaceAll(/^Host web(\d)$/gm, 'Host web$1.example'))
    mkdirSync(join(dir, 'bin'))
    // Where the page has a reader who compares and answers, "ship trust" gets its --yes.
    writeFileSync(
      join(dir, 'bin/ship'),
      `#!/bin/sh\ncase $1 in trust) set -- "$@" --yes;; esac\nexec '${NODE}' '${SHIP}' "$@"\n`,
    )
    chmodSync(join(dir, 'bin/ship'), 0o755)
    env = {
      PATH: `${join(dir, 'bin')}:${process.env['PATH'] ?? ''}`,
      HOME: dir,
      SHIP_SSH_CONFIG: sshConfig,
      SHIP_CACHE_DIR: join(dir, 'cache'),
      NO_COLOR: '1',
    }
  })
  afterAll(async () => {
    await fleet.dispose()
    rmSync(dir, { recursive: true, force: true })
  })

  /** The hosts of the page are the two of this test. */
  const hereInstead = (): void => {
    const file = join(dir, 'hello/ship.config.ts')
    if (!existsSync(file)) return
    const text = readFileSync(file, 'utf8').replaceAll(
      /'deploy@(web(\d)\.example)'/g,
      (_, host: string, index: string) => {
        const folder = join(fleet.hosts[Number(index) - 1]?.root ?? '', 'hello')
        return `{ host: '${host}', deployTo: '${folder}' }`
      },
    )
    writeFileSync(file, text)
  }

  const play = (block: Block, said: string): string => {
    const cwd = existsSync(join(dir, 'hello')) ? join(dir, 'hello') : dir
    if (block.kind === 'ship.config.ts') {
      writeFileSync(join(cwd, block.kind), block.text)
      hereInstead()
      return said
    }
    if (block.language === 'text' && block.kind === 'output') {
      expect(missing(block.text, said), `${where(block)} after:\n${said}`).toEqual([])
      return said
    }
    if (block.language !== 'sh' || !block.kind.startsWith('run')) return said
    const wanted = Number(/exit=(\d+)/.exec(block.kind)?.[1] ?? 0)
    const { status, stdout, stderr } = spawnSync('sh', ['-e', '-c', block.text], { cwd, env, encoding: 'utf8' })
    expect({ place: where(block), status, said: status === wanted ? '' : stdout + stderr }).toEqual({
      place: where(block),
      status: wanted,
      said: '',
    })
    hereInstead()
    return stdout + stderr
  }

  it('works as it is written', () => {
    expect(BLOCKS.filter(({ kind }) => kind.startsWith('run')).length).toBeGreaterThan(10)
    BLOCKS.reduce((said, block) => play(block, said), '')
    for (const { root } of fleet.hosts) {
      expect(readFileSync(join(root, 'hello/current/index.html'), 'utf8')).toBe('<html><h1>Hello</h1></html>\n')
    }
  })
})

/** Lines that are not in the output; blanks count as one, and "…" stands for anything. */
function missing(wanted: string, said: string): readonly string[] {
  const lines = said.split('\n').map((line) => line.trim().replaceAll(/\s+/g, ' '))
  return wanted
    .trim()
    .split('\n')
    .filter((line) => {
      const parts = line.trim().replaceAll(/\s+/g, ' ').split('…')
      const pattern = parts.map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)).join('.*')
      return !lines.some((one) => new RegExp(`^${pattern}$`).test(one))
    })
}
