/**
 * A value that nobody may see goes in by every way there is; then everything that was printed, written or sent is searched for it, and
 * every command line of this machine while ship ran.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { ShipResult } from '../support/cli.ts'
import { describeOverSsh } from '../support/sshd.ts'
import { serve, type Web } from '../support/web.ts'
import { makePlace, type Place } from '../stories/place.ts'

/** Each way in has its own, so that a find names it. */
const CANARIES = {
  hook: 'canary-hook-6f1c',
  taskEnv: 'canary-task-env-91aa',
  taskSecret: 'canary-task-secret-c0de',
  passphrase: 'canary-passphrase-77b2',
  cacheUrl: 'canary-cache-url-5e5e',
  cacheToken: 'canary-cache-token-18d0',
  gateUrl: 'canary-gate-url-a3f9',
  gateHeader: 'canary-gate-header-9d21',
  remote: 'canary-git-remote-40e4',
  environment: 'canary-environment-b7b7',
} as const

let place: Place
let cache = ''
const printed: string[] = []
const seen = new Set<string>()
let web: Web
let watch: ReturnType<typeof setInterval>

beforeAll(async () => {
  // One host is asked through its connection, the other by its own curl.
  place = await makePlace(2, { config: (index) => (index === 1 ? ['AllowTcpForwarding no'] : []) })
  web = await serve(({ headers }, response) => {
    // Both ways ask with the header and with the password of the address.
    const basic = `Basic ${Buffer.from(`user:${CANARIES.gateUrl}`).toString('base64')}`
    const isRight = headers['x-token'] === CANARIES.gateHeader && headers.authorization === basic
    setTimeout(() => response.writeHead(isRight ? 200 : 403).end(), 150)
  })
  cache = mkdtempSync(join(tmpdir(), 'ship-secrets-'))
  execFileSync('ssh-keygen', ['-q', '-p', '-a', '1', '-P', '', '-N', CANARIES.passphrase, '-f', place.fleet.keyFile])
  const git = (...args: string[]): void => void execFileSync('git', args, { cwd: place.shop.dir, stdio: 'pipe' })
  git('init', '-q')
  git('remote', 'add', 'origin', `https://user:${CANARIES.remote}@git.example/shop.git`)
  watch = setInterval(look, 25)
})
afterAll(async () => {
  clearInterval(watch)
  rmSync(cache, { recursive: true, force: true })
  await web.close()
  await place.dispose()
})

function gate(url: string): unknown {
  const [scheme, rest] = url.split('//')
  const headers = { 'x-token': CANARIES.gateHeader }
  return {
    http: `${scheme}//user:${CANARIES.gateUrl}@${rest}/?token=${CANARIES.gateUrl}`,
    headers,
    deadline: '5s',
    interval: '100ms',
  }
}

async function configure(hook: string, health: readonly unknown[] = [gate(web.url)]): Promise<void> {
  const env = { HOOK_SECRET: CANARIES.hook }
  await place.configure(
    {
      health,
      hooks: {
        beforeSwitch: [
          { run: 'sleep 0.2; test -n "$HOOK_SECRET"', env },
          { run: 'sleep 0.2; test -n "$HOOK_SECRET"', once: true, env },
        ],
        afterSwitch: [
          { run: hook, env },
          { run: 'test -n "$HOOK_SECRET"', local: true, env },
        ],
        onFailure: [{ run: 'test -n "$HOOK_SECRET"', env }],
      },
    },
    {
      build: { from: 'app', cache: { url: `http://user:${CANARIES.cacheUrl}@127.0.0.1:9/parts` } },
      tasks: {
        migrate: {
          run: 'echo "got $TASK_SECRET and $(printf %s "$TASK_SECRET" | wc -c) bytes"; echo "$TASK_SECRET" >&2; sleep 0.2',
          secrets: ['TASK_SECRET'],
          env: { TASK_ENV: CANARIES.taskEnv },
        },
        broken: { run: 'test -z "$TASK_SECRET"', secrets: ['TASK_SECRET'], env: { TASK_ENV: CANARIES.taskEnv } },
      },
    },
  )
}

async function run(args: string, code: number): Promise<ShipResult> {
  const result = await place.ship(args, {
    env: {
      SHIP_CACHE_DIR: cache,
      SHIP_KEY_PASSPHRASE: CANARIES.passphrase,
      SHIP_CACHE_TOKEN: CANARIES.cacheToken,
      TASK_SECRET: CANARIES.taskSecret,
      DATABASE_PASSWORD: CANARIES.environment,
    },
  })
  expect({ args, code: result.code, stderr: result.code === code ? '' : result.stderr }).toEqual({
    args,
    code,
    stderr: '',
  })
  printed.push(...[result.stdout, result.stderr].map((text) => `output of ship ${args}\n${text}`))
  return result
}

function look(): void {
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      const line = readFileSync(`/proc/${name}/cmdline`, 'utf8')
      if (line.includes('canary-')) seen.add(`${canariesIn(line).join()}: ...${line.replaceAll('\0', ' ').slice(-300)}`)
    } catch {
      continue
    }
  }
}

/** Files below a folder that hold a canary, and which. */
function holders(dir: string): string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true }).flatMap((entry) => {
    if (!entry.isFile()) return []
    const file = join(entry.parentPath, entry.name)
    return canariesIn(readFileSync(file, 'latin1')).map((name) => `${file}: ${name}`)
  })
}

function canariesIn(text: string): string[] {
  return Object.entries(CANARIES).flatMap(([name, canary]) => (text.includes(canary) ? [name] : []))
}

describeOverSsh('secrets', () => {
  it('stand in no output, plan, journal, report, file of a build, or command line', async () => {
    await configure('sleep 0.2; test -n "$HOOK_SECRET"')
    await place.shop.write('1.0.0')
    await run('build -v', 0)
    await run('plan --out plan.json -v', 0)
    await run('plan --json', 0)
    await run('config', 0)
    await run('config --json', 0)
    await run('release -v', 0)
    const { stdout } = await run('run migrate', 0)
    // It was there, and was masked.
    expect(stdout).toContain(`${CANARIES.taskSecret.length} bytes`)
    await run('run migrate --json -v', 0)
    await run('run broken', 5)

    await place.shop.write('1.1.0')
    await configure('echo no; grep -q 1.0.0 VERSION')
    await run('build --json', 0)
    await run('release -v', 6)
    await run('release --json', 6)
    await configure('true', [{ ...(gate('http://127.0.0.1:9') as object), deadline: '300ms' }])
    // The old release cannot pass that one either.
    await run('release -v', 7)
    await run('status --json', 0)
    await run('history', 0)
    await run('verify -e production', 0)

    expect(printed.flatMap((text) => canariesIn(text).map((name) => `${name}: ${text}`))).toEqual([])
    expect(place.deployTo.flatMap(holders)).toEqual([])
    expect(holders(cache)).toEqual([])
    // What the user wrote holds them, of course.
    const own = /ship\.config\.json|\.git\/config/
    expect(holders(place.shop.dir).filter((line) => !own.test(line))).toEqual([])
    expect([...seen]).toEqual([])
  })

  it('are found by this very search where they are', () => {
    expect(holders(place.shop.dir).map((line) => line.replace(/.*: /, ''))).toContain('hook')
    const child = execFileSync('sh', ['-c', 'tr "\\0" " " </proc/$$/cmdline', 'sh', CANARIES.hook], {
      encoding: 'utf8',
    })
    expect(canariesIn(child)).toEqual(['hook'])
  })
})
