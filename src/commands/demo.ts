/**
 * `ship demo`: the main job on this machine, told by the commands that a user would type. Every line of it is a real run of ship
 * in a temporary project; the hosts are folders.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { ShipError, throwIfAborted } from '../errors.ts'
import { ROOT } from '../own-files.ts'
import type { Answer, Context, Input } from './command.ts'

const HOSTS = ['web1', 'web2', 'web3']

interface Act {
  readonly says?: string
  readonly args: readonly string[]
  /** What the command must end with for the demo to go on. */
  readonly code?: number
  /** Changes the sources before it. */
  readonly edit?: (project: string) => Promise<void>
}

const ACTS: readonly Act[] = [
  { says: 'Version 1.0.0 of a small web app: built once, released to three hosts', args: ['build'] },
  { args: ['release', '--yes'] },
  { says: 'The next version goes the same way', args: ['build'], edit: (p) => setVersion(p, '1.1.0') },
  { args: ['release', '--yes'] },
  { says: 'Version 1.2.0 answers every request with 500', args: ['build'], edit: breakApp },
  { says: 'Its health check fails, and every host goes back by itself', args: ['release', '--yes'], code: 6 },
  { args: ['status'] },
  { says: 'One command goes back to the version before', args: ['rollback', '--yes'] },
  { says: 'What happened, and what is on the hosts', args: ['history'] },
  { args: ['releases'] },
]

export async function run(_input: Input, context: Context): Promise<Answer> {
  if (ROOT === undefined) throw new ShipError('usage', 'there is no demo in the action: it needs the package of ship')
  await context.settle()
  const home = await mkdtemp(join(tmpdir(), 'ship-demo-'))
  const project = join(home, 'shop')
  try {
    await makeProject(home, project)
    for (const act of ACTS) {
      throwIfAborted(context.io.signal)
      await act.edit?.(project)
      const { says } = act
      if (says !== undefined) context.say(({ style }) => ['', style.bold(`# ${says}`)])
      const line = `ship ${act.args.join(' ')}`
      context.say(({ style }) => ['', style.cyan(`$ ${line}`)])
      const code = await ship(act.args, project, context)
      throwIfAborted(context.io.signal)
      const expected = act.code ?? 0
      if (code !== expected) throw new ShipError('build', `"${line}" ended with ${code} instead of ${expected}`)
      if (code !== 0) context.say(({ style }) => [style.dim(`exit code ${code}: failed, and all hosts are as before`)])
    }
    return { data: { hosts: HOSTS }, text: () => ['', 'All of it ran on real files and processes. Next: ship --help'] }
  } finally {
    await stopApps(home)
    await rm(home, { recursive: true, force: true })
  }
}

async function makeProject(home: string, project: string): Promise<void> {
  await cp(join(ROOT ?? '', 'fixtures/node-app'), project, { recursive: true })
  const hasNpm = pathFolders().some((folder) => existsSync(join(folder, 'npm')))
  if (!hasNpm) await withoutPackages(project)
  const ports = await freePorts(HOSTS.length)
  const hosts = HOSTS.map((name, index) => ({
    host: name,
    local: join(home, 'hosts', name),
    roles: [name],
    env: { PORT: String(ports[index]) },
  }))
  for (const { local } of hosts) await mkdir(local, { recursive: true })
  const config = {
    name: 'shop',
    build: { recipe: hasNpm ? 'node-app' : 'files' },
    release: {
      shared: { dirs: ['run'] },
      hooks: { afterSwitch: ['bin/restart'] },
      health: HOSTS.map((role, index) => ({
        http: `http://127.0.0.1:${ports[index]}/healthz`,
        role,
        interval: '200ms',
        deadline: '4s',
      })),
    },
    environments: { production: { hosts } },
  }
  await writeFile(join(project, 'ship.config.json'), `${JSON.stringify(config, null, 2)}\n`)
}

function pathFolders(): readonly string[] {
  return (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '')
}

/** Without npm the app does by itself what its one package does. */
async function withoutPackages(project: string): Promise<void> {
  const file = join(project, 'server.js')
  const text = await readFile(file, 'utf8')
  const own = 'const escapeHtml = (text) => String(text).replace(/[&<>"\']/g, (sign) => `&#${sign.charCodeAt(0)};`)'
  await writeFile(file, text.replace("import escapeHtml from 'escape-html'", own))
}

async function setVersion(project: string, version: string): Promise<void> {
  for (const name of ['package.json', 'package-lock.json']) {
    const file = join(project, name)
    const text = await readFile(file, 'utf8')
    await writeFile(file, text.replaceAll(/"version": "1\.\d\.0"/g, `"version": "${version}"`))
  }
}

async function breakApp(project: string): Promise<void> {
  await setVersion(project, '1.2.0')
  const file = join(project, 'server.js')
  const text = await readFile(file, 'utf8')
  await writeFile(
    file,
    text.replace("  if (request.url === '/healthz')", "  response.statusCode = 500\n  if (request.url === '/healthz')"),
  )
}

/** Runs ship as a user would, on the same terminal. */
function ship(args: readonly string[], cwd: string, { io }: Context): Promise<number> {
  return new Promise((resolve, reject) => {
    // The app runs by the Node that runs ship, where the machine has none.
    const env = { ...process.env, PATH: [...pathFolders(), dirname(process.execPath)].join(delimiter) }
    const child = spawn(process.execPath, [join(ROOT ?? '', 'bin/ship.js'), ...args], { cwd, env, stdio: 'inherit' })
    const end = (): boolean => child.kill('SIGTERM')
    io.signal.addEventListener('abort', end, { once: true })
    child.once('error', reject)
    child.once('exit', (code) => {
      io.signal.removeEventListener('abort', end)
      resolve(code ?? 1)
    })
  })
}

/** Ports that are free now: each is held until all are found. */
async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve, reject) => {
          server.once('error', reject)
          server.listen(0, '127.0.0.1', () => {
            const address = server.address()
            resolve(typeof address === 'object' && address !== null ? address.port : 0)
          })
        }),
    ),
  )
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

/** Ends the apps that the demo's hooks started. */
async function stopApps(home: string): Promise<void> {
  for (const name of HOSTS) {
    const pid = Number(await readFile(join(home, 'hosts', name, 'shared/run/pid'), 'utf8').catch(() => ''))
    if (!(pid > 1)) continue
    try {
      process.kill(pid, 'SIGTERM')
    } catch {
      // It ended by itself.
    }
  }
}
