/**
 * A copy of a fixture, built by the command line, and its bundle unpacked elsewhere. Downloads are kept between runs; made parts too, for as
 * long as nothing changes in what makes them.
 */
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { hash } from 'node:crypto'
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, vi } from 'vitest'
import type { Component } from '../../src/recipe.ts'
import { SHIP, ship, type ShipResult } from '../support/cli.ts'

const ROOT = join(import.meta.dirname, '../..')
const CACHE = join(ROOT, 'node_modules/.cache/ship-recipes')
const CODE = globSync(['src/{build,components,elf,sources,tree}/**/*.ts', 'recipes/*.ts'], { cwd: ROOT }).toSorted()
const PARTS = join(
  CACHE,
  `parts-${hash('sha256', CODE.map((file) => readFileSync(join(ROOT, file), 'utf8')).join('\n')).slice(0, 16)}`,
)

const DAY_MS = 86_400_000
for (const old of globSync('parts-*', { cwd: CACHE })) {
  // Newer ones may be in use: of a run that changes the code on purpose, say.
  if (Date.now() - statSync(join(CACHE, old)).mtimeMs > DAY_MS)
    rmSync(join(CACHE, old), { recursive: true, force: true })
}

/** For what builds: a machine that does much else takes its time. */
vi.setConfig({ testTimeout: 600_000, hookTimeout: 600_000 })

/** Whether the machine has Debian's archive to fetch from. */
export const HAS_APT = existsSync('/usr/bin/apt-get') && existsSync('/usr/bin/dpkg-deb')

export interface Place {
  readonly dir: string
  write(files: Readonly<Record<string, string>>): void
  /** Changes keys of `build` in the fixture's configuration. */
  configure(build: Readonly<Record<string, unknown>>): void
  build(args?: string, code?: number): Promise<ShipResult>
  /** Builds without any network, as `build` does. */
  buildOffline(args?: string): string
  /** The newest bundle, unpacked to a folder that it was not built in. */
  unpack(): string
  entries(): readonly string[]
  components(): readonly Component[]
  dispose(): void
}

/** `fixture`: a folder of fixtures/; undefined for an empty project. */
export function place(fixture?: string): Place {
  const home = mkdtempSync(join(tmpdir(), 'ship-recipe-test-'))
  const dir = join(home, 'project')
  mkdirSync(dir)
  if (fixture !== undefined) cpSync(join(ROOT, 'fixtures', fixture), dir, { recursive: true })
  const config = join(dir, 'ship.config.json')
  const read = (): { name: string; build: object } =>
    existsSync(config)
      ? (JSON.parse(readFileSync(config, 'utf8')) as { name: string; build: object })
      : { name: 'app', build: {} }
  const manifest = () => {
    const [file = ''] = globSync('dist/*.manifest.json', { cwd: dir })
    return JSON.parse(readFileSync(join(dir, file), 'utf8')) as {
      entries: { path: string }[]
      components?: Component[]
    }
  }
  const env = { SHIP_CACHE_DIR: CACHE }
  const self: Place = {
    dir,
    write(files) {
      for (const [path, content] of Object.entries(files)) {
        mkdirSync(join(dir, path, '..'), { recursive: true })
        writeFileSync(join(dir, path), content)
      }
    },
    configure(build) {
      const now = read()
      writeFileSync(config, JSON.stringify({ version: '1.0.0', ...now, build: { ...now.build, ...build } }))
    },
    async build(args = '', code = 0) {
      rmSync(join(dir, 'dist'), { recursive: true, force: true })
      const result = await ship(`build ${args}`, { cwd: dir, env })
      expect({ code: result.code, stderr: result.code === code ? '' : result.stderr }).toEqual({ code, stderr: '' })
      return result
    },
    buildOffline(args = '') {
      rmSync(join(dir, 'dist'), { recursive: true, force: true })
      const argv = [process.execPath, SHIP, 'build', ...args.split(' ').filter((word) => word !== '')]
      const { PATH, HOME } = process.env
      const result = spawnSync('unshare', ['-rn', ...argv], { cwd: dir, env: { PATH, HOME, ...env } })
      expect({ code: result.status, stderr: result.status === 0 ? '' : result.stderr.toString() }).toEqual({
        code: 0,
        stderr: '',
      })
      return result.stdout.toString()
    },
    unpack() {
      const to = mkdtempSync(join(home, 'another prefix '))
      const [archive = ''] = globSync('dist/*.tar.gz', { cwd: dir })
      execFileSync('tar', ['-xzf', join(dir, archive), '-C', to])
      return join(to, readdirSync(to)[0] ?? '')
    },
    entries: () => manifest().entries.map((e) => e.path),
    components: () => manifest().components ?? [],
    dispose: () => rmSync(home, { recursive: true, force: true }),
  }
  self.configure({ formats: ['tar.gz'], cache: { dir: PARTS } })
  return self
}

/** What a program of a tree says, started with nothing in its environment but what is given. */
export function run(tree: string, argv: readonly string[], env: Readonly<Record<string, string>> = {}): string {
  const [program = '', ...rest] = argv
  return execFileSync(join(tree, program), rest, { env, cwd: '/', stdio: 'pipe' }).toString()
}

/** Starts a program of a tree; `end` ends it and waits. */
export function start(tree: string, argv: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const [program = '', ...rest] = argv
  const child: ChildProcess = spawn(join(tree, program), rest, { env, cwd: '/', stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const end = async (): Promise<void> => {
    child.kill('SIGTERM')
    // A program that did not get the signal would keep the output open.
    const late = setTimeout(() => {
      child.stdout?.destroy()
      child.stderr?.destroy()
    }, 10_000)
    await ended
    clearTimeout(late)
  }
  return { pid: child.pid ?? 0, end }
}

/** Body of the answer, asked for until there is one. */
export async function get(url: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
  for (let turn = 1; ; turn++) {
    try {
      return await fetch(url, { headers })
    } catch (error) {
      if (turn > 100) throw error
      await sleep(50)
    }
  }
}

export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}

/** Libraries and programs that a process has in its memory. */
export function mapped(pid: number): readonly string[] {
  const lines = readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n')
  return [...new Set(lines.flatMap((line) => /\s(\/.*)$/.exec(line)?.[1] ?? []))]
}

/** All files of a tree with the time they were changed: nothing that only runs may change any. */
export function snapshot(tree: string): string {
  return execFileSync('find', ['.', '-printf', '%p %s %T@\n'], { cwd: tree, maxBuffer: 64 * 1024 * 1024 }).toString()
}
