/** What a recipe works with: sources it only reads, a tree it fills, programs it runs in a clean environment. */
import { constants, copyFileSync, lstatSync, mkdirSync, readdirSync, readlinkSync, symlinkSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { ShipError, throwIfAborted } from '../errors.ts'
import type { Io } from '../io.ts'
import { parseRelPath } from '../names.ts'
import { runLocal } from '../process.ts'
import type { BuildStep } from '../recipe.ts'
import type { SourceFilter } from './filter.ts'

const TAIL_LINES = 30
const TURN_MS = 40

export interface StepParts {
  readonly sources: string
  readonly out: string
  readonly scratch: string
  readonly epoch: number
  readonly filter: SourceFilter
  readonly io: Io
}

export function buildStep(parts: StepParts): BuildStep {
  const { sources, out, scratch, epoch, filter, io } = parts
  const env = cleanEnv(scratch, epoch)
  const log = (text: string): void => io.emit({ event: 'log', step: 'recipe', text })
  return {
    sources,
    out,
    scratch,
    env,
    epoch,
    signal: io.signal,
    log,
    included: (path) => filter.file(path),
    copy: (options = {}) => copyTree(parts, options.from ?? '', options.to ?? ''),
    async write(path, content, options = {}) {
      const file = join(out, parseRelPath(path, 'build'))
      await mkdir(dirname(file), { recursive: true })
      await writeFile(file, content, { mode: options.mode ?? 0o644 })
    },
    async run(argv, options = {}) {
      const result = await runLocal(argv, {
        cwd: options.cwd ?? out,
        cleanEnv: { ...env, ...options.env },
        signal: io.signal,
        onOutput: (text) => log(text.trimEnd()),
      })
      if (result.code === 0) return
      const tail = `${result.stdout}${result.stderr}`.trimEnd().split('\n').slice(-TAIL_LINES)
      const how =
        result.code === null ? `was ended by ${result.signal ?? 'a signal'}` : `failed with exit code ${result.code}`
      throw new ShipError('build', `"${argv.join(' ')}" ${how}`, {
        details: tail,
        state: 'nothing was written to dist/',
      })
    },
  }
}

/** Nothing of the caller's environment but where programs are: what a build sees is the same everywhere. */
function cleanEnv(scratch: string, epoch: number): Record<string, string> {
  return {
    PATH: process.env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin',
    HOME: join(scratch, 'home'),
    TMPDIR: join(scratch, 'tmp'),
    TZ: 'UTC',
    LC_ALL: 'C.UTF-8',
    SOURCE_DATE_EPOCH: String(epoch),
    CI: 'true',
  }
}

/** Copies what the filter takes. A folder that holds nothing but what was left out is left out too; an empty one stays. */
async function copyTree({ sources, out, filter, io }: StepParts, from: string, to: string): Promise<void> {
  const started = { turn: performance.now(), files: 0 }
  const breathe = async (): Promise<void> => {
    if (performance.now() - started.turn < TURN_MS) return
    io.emit({ event: 'step.progress', step: 'recipe', progress: { done: started.files, unit: 'files' } })
    await nextTurn()
    throwIfAborted(io.signal)
    started.turn = performance.now()
  }
  const visit = async (path: string, target: string): Promise<boolean> => {
    const stats = lstatSync(join(sources, path))
    if (!stats.isDirectory()) {
      if (!filter.file(path)) return false
      mkdirSync(dirname(target), { recursive: true })
      copyOne(join(sources, path), target, stats)
      started.files++
      await breathe()
      return true
    }
    if (path !== '' && !filter.enter(path)) return false
    const names = readdirSync(join(sources, path))
    let took = names.length === 0 && (path === '' || filter.file(path))
    if (took) mkdirSync(target, { recursive: true })
    for (const name of names) took = (await visit(path === '' ? name : `${path}/${name}`, join(target, name))) || took
    return took
  }
  await visit(from, join(out, to))
}

function copyOne(source: string, target: string, stats: ReturnType<typeof lstatSync> & object): void {
  if (stats.isSymbolicLink()) symlinkSync(readlinkSync(source), target)
  else if (stats.isFile()) copyFileSync(source, target, constants.COPYFILE_FICLONE)
  else
    throw new ShipError('build', `"${source}" is neither file, folder nor link, and cannot be released`, {
      next: ['leave it out: build.exclude'],
    })
}
