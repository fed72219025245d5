/**
 * Writes docs/transcripts/{node,python,static}.md: the first quarter of an hour of a new user, from an empty folder to a release that was
 * taken back, by the steps that README tells. Every line is from a real run against a real sshd on loopback, with ship installed from what
 * `npm pack` makes. Usage: node tools/transcripts.ts [node] [python] [static]
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { hostname, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { NODE, plainEnvironment } from '../test/support/cli.ts'
import { startFleet } from '../test/support/fleet.ts'
import { nodeStory } from './transcripts/node.ts'
import { pythonStory } from './transcripts/python.ts'
import { openSession } from './transcripts/session.ts'
import { staticStory } from './transcripts/static.ts'
import type { Scene, Story } from './transcripts/story.ts'

const ROOT = join(import.meta.dirname, '..')
const OUT = join(ROOT, 'docs/transcripts')
const STORIES: Readonly<Record<string, Story>> = { node: nodeStory, python: pythonStory, static: staticStory }

const wanted = process.argv.slice(2)
const home = mkdtempSync(join(tmpdir(), 'ship-'))
try {
  execFileSync('npm', ['pack', '--pack-destination', home, '--loglevel', 'error'], { cwd: ROOT, stdio: 'ignore' })
  const [tarball = ''] = readdirSync(home)
  mkdirSync(OUT, { recursive: true })
  for (const [name, story] of Object.entries(STORIES)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue
    const text = await told(name, story, join(home, tarball))
    writeFileSync(join(OUT, `${name}.md`), text)
    console.log(`docs/transcripts/${name}.md: ${text.split('\n').length} lines`)
  }
} finally {
  rmSync(home, { recursive: true, force: true })
}

async function told(name: string, story: Story, tarball: string): Promise<string> {
  const dir = mkdtempSync(join(tmpdir(), 'ship-'))
  const project = join(dir, 'me', story.folder)
  mkdirSync(project, { recursive: true })
  const fleet = await startFleet(1)
  const [host] = fleet.hosts
  if (!host) throw new Error('no host')
  const port = await freePort()
  const env = {
    ...plainEnvironment(),
    PATH: [join(dir, 'npm/bin'), dirname(NODE), process.env['PATH'] ?? ''].join(':'),
    SHIP_CACHE_DIR: join(dir, 'c'),
    SHIP_SSH_CONFIG: fleet.sshConfigFile,
    // An index that cannot be reached is not waited for where the packages are at hand.
    PIP_RETRIES: '0',
    npm_config_prefix: join(dir, 'npm'),
    npm_config_loglevel: 'error',
    npm_config_update_notifier: 'false',
  }
  const words = [
    [join(dir, 'me'), '~'],
    [join(dir, 'c'), '~/.cache/ship'],
    [tarball, 'slipway'],
    [host.root, '/home/deploy'],
    [host.address, '192.0.2.10'],
    [String(port), String(story.port)],
    // As long as the name that stood there: tables stay in their columns.
    [`${host.user}@${hostname()}`, 'me@home'.padEnd(host.user.length + 1 + hostname().length)],
  ] as const
  const scene: Scene = {
    ...openSession({ title: story.title, cwd: project, env, words }),
    project,
    port,
    host: host.name,
    deployTo: join(host.root, name),
    install: tarball,
    dir,
  }
  try {
    scene.say(
      'Made by `node tools/transcripts.ts` from a real run against a real SSH server. Times, digests, paths, the port and the address are replaced by fixed ones.',
    )
    await story.tell(scene)
    return scene.text()
  } finally {
    await story.end?.(scene)
    await fleet.dispose()
    rmSync(dir, { recursive: true, force: true })
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}
