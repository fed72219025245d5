/** A small project in a folder of its own, with git or without, and ship run in it. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { ship, type ShipOptions, type ShipResult } from './cli.ts'

/** Time of every commit. */
const COMMITTED = '2024-05-06T07:08:09Z'

export interface SmallProject {
  readonly dir: string
  write(files: Readonly<Record<string, string>>): void
  read(path: string): string
  /** `name` shop, version 1.0.0 and what is given. */
  configure(more?: Readonly<Record<string, unknown>>): void
  git(...args: readonly string[]): string
  /** All that is there as one commit; the first one makes the repository. */
  commit(message?: string): void
  /** Runs ship and expects an exit code. */
  ship(args: string | readonly string[], code?: number, options?: ShipOptions): Promise<ShipResult>
  /** The `data` of the result of a run with `--json`. */
  data(args: string, options?: ShipOptions): Promise<Record<string, unknown>>
  /** Version of the last build. */
  built(): string
  dispose(): void
}

const IDENTITY = ['user.name=t', 'user.email=t@example.org', 'commit.gpgsign=false', 'tag.gpgsign=false']

/** `below`: folder for it, instead of the one for temporary files. */
export function smallProject(below = tmpdir()): SmallProject {
  const dir = mkdtempSync(join(below, 'ship-project-'))
  const project: SmallProject = {
    dir,
    write(files) {
      for (const [path, content] of Object.entries(files)) {
        mkdirSync(join(dir, path, '..'), { recursive: true })
        writeFileSync(join(dir, path), content)
      }
    },
    read: (path) => readFileSync(join(dir, path), 'utf8'),
    configure: (more = {}) =>
      project.write({ 'ship.config.json': JSON.stringify({ name: 'shop', version: '1.0.0', ...more }, null, 2) }),
    git(...args) {
      const settings = [...IDENTITY, 'init.defaultBranch=main'].flatMap((s) => ['-c', s])
      const env = { ...process.env, GIT_COMMITTER_DATE: COMMITTED, GIT_AUTHOR_DATE: COMMITTED }
      return execFileSync('git', [...settings, ...args], { cwd: dir, env, stdio: ['ignore', 'pipe', 'pipe'] })
        .toString()
        .trim()
    },
    commit(message = 'one') {
      project.git('init', '-q')
      project.git('add', '-A')
      project.git('commit', '-q', '--allow-empty', '-m', message)
    },
    async ship(args, code = 0, options = {}) {
      const result = await ship(args, { cwd: dir, ...options })
      expect({ code: result.code, stderr: result.code === code ? '' : result.stderr }).toEqual({ code, stderr: '' })
      return result
    },
    async data(args, options) {
      const { stdout } = await project.ship(`${args} --json`, 0, options)
      const result = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as { data: Record<string, unknown> }
      return result.data
    },
    built() {
      const list = JSON.parse(project.read('dist/artifacts.json')) as { builds: { version: string }[] }
      return list.builds.at(-1)?.version ?? ''
    },
    dispose: () => rmSync(dir, { recursive: true, force: true }),
  }
  return project
}
