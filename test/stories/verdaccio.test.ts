/**
 * A published app that nobody here wrote: two versions of verdaccio from the npm registry, built from a lockfile, released to three
 * real sshd, started by a hook, asked over HTTP on each host; then upgraded, broken, and rolled back.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { NODE, ship, type ShipResult } from '../support/cli.ts'
import { startFleet, type Fleet } from '../support/fleet.ts'
import { describeOverSsh } from '../support/sshd.ts'

const OLD = '6.10.3'
const NEW = '6.10.4'

/** It asks for a dist-tag, which not every registry carries; a version will do. */
const OVERRIDES = { 'node-fetch': '2.7.0' }

const RESTART = `#!/bin/sh
# Runs in current/ after each switch: ends the app of the release before, starts this one.
set -eu
run="$SHIP_DEPLOY_TO/shared/run"
if [ -s "$run/pid" ]; then
  pid=$(cat "$run/pid")
  kill "$pid" 2>/dev/null || true
  n=0
  while kill -0 "$pid" 2>/dev/null && [ "$n" -lt 50 ]; do sleep 0.1; n=$((n + 1)); done
fi
cd "$(pwd -P)"
setsid "$NODE" node_modules/verdaccio/bin/verdaccio --config config.yaml --listen "127.0.0.1:$PORT" >"$run/log" 2>&1 </dev/null &
echo $! >"$run/pid"
`
const CONFIG = `storage: ../../shared/storage
uplinks: {}
packages: { '**': { access: $all } }
log: { type: stdout, format: json, level: warn }
`

let dir = ''
let project = ''
let fleet: Fleet
let ports: number[] = []
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'ship-verdaccio-'))
  project = join(dir, 'project')
  await mkdir(join(project, 'bin'), { recursive: true })
  fleet = await startFleet(3)
  ports = await freePorts(3)
  await writeFile(join(project, 'bin/restart'), RESTART, { mode: 0o755 })
  await writeFile(join(project, 'config.yaml'), CONFIG)
})
afterAll(async () => {
  for (const { root } of fleet.hosts) {
    try {
      process.kill(Number(readFileSync(join(root, 'shared/run/pid'), 'utf8')))
    } catch {
      // It is not running.
    }
  }
  await fleet.dispose()
  rmSync(dir, { recursive: true, force: true })
})

async function configure(path: string): Promise<void> {
  const hosts = fleet.hosts.map(({ name, root }, i) => ({
    host: name,
    deployTo: root,
    roles: [name],
    env: { PORT: String(ports[i]), NODE },
  }))
  const health = ports.map((port, i) => ({
    http: `http://127.0.0.1:${port}${path}`,
    expect: 200,
    role: `web${i + 1}`,
    interval: '250ms',
    deadline: '40s',
  }))
  const release = { shared: { dirs: ['run', 'storage'] }, hooks: { afterSwitch: ['bin/restart'] }, health }
  const config = {
    name: 'registry',
    build: { recipe: 'node-app', formats: ['tar.zst'] },
    release,
    environments: { production: { hosts } },
  }
  await writeFile(join(project, 'ship.config.json'), JSON.stringify(config))
}

async function depend(version: string): Promise<void> {
  await writeFile(
    join(project, 'package.json'),
    JSON.stringify({
      name: 'registry',
      version,
      private: true,
      dependencies: { verdaccio: version },
      overrides: OVERRIDES,
    }),
  )
  execFileSync('npm', ['install', '--package-lock-only', '--ignore-scripts', '--no-audit', '--no-fund'], {
    cwd: project,
    stdio: 'pipe',
  })
}

async function run(args: string, code: number): Promise<ShipResult> {
  const result = await ship(args, { cwd: project, env: { SHIP_SSH_CONFIG: fleet.sshConfigFile } })
  expect({ code: result.code, stderr: result.code === code ? '' : result.stderr }).toEqual({ code, stderr: '' })
  return result
}

/** What each host answers: the version that verdaccio tells its own pages. */
async function answers(): Promise<string[]> {
  return Promise.all(
    ports.map(async (port) => {
      const response = await fetch(`http://127.0.0.1:${port}/-/static/ui-options.js`)
      const page = await response.text()
      return (
        /["']?version["']?: ?["']([^"']+)["']/.exec(page)?.[1] ?? `status ${response.status}: ${page.slice(0, 2000)}`
      )
    }),
  )
}

describeOverSsh('verdaccio', () => {
  it('is built, released, upgraded, broken and rolled back', { timeout: 1_200_000 }, async () => {
    await depend(OLD)
    await configure('/-/ping')
    await run('build', 0)
    await run('release', 0)
    expect(await answers()).toEqual([OLD, OLD, OLD])

    await depend(NEW)
    await run('build', 0)
    await run('release', 0)
    expect(await answers()).toEqual([NEW, NEW, NEW])

    // The next one starts no server: the gate fails, and all three answer with the version before.
    await writeFile(join(project, 'bin/restart'), RESTART.replace('setsid "$NODE"', 'setsid false'), { mode: 0o755 })
    await configure('/-/ping')
    await run('build --version 6.11.0', 0)
    const config = readFileSync(join(project, 'ship.config.json'), 'utf8')
    await writeFile(join(project, 'ship.config.json'), config.replaceAll('"40s"', '"15s"'))
    const broken = await run('release', 6)
    expect(broken.stderr).toContain('connection refused')
    expect(await answers()).toEqual([NEW, NEW, NEW])

    await run('rollback', 0)
    expect(await answers()).toEqual([OLD, OLD, OLD])
  })
})

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  const found = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve) =>
          server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)),
        ),
    ),
  )
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return found
}
