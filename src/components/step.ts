/** What a recipe works with: sources it only reads, a tree it fills, programs it runs in a clean environment. */
import { realpathSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { dirname, join, sep } from 'node:path'
import { ShipError } from '../errors.ts'
import { parseRelPath } from '../names.ts'
import { runLocal } from '../process.ts'
import type { BuildStep, RecipeContext } from '../recipe.ts'
import { copyTree } from './copy-tree.ts'
import type { SourceFilter } from './filter.ts'
import { launcherPath, launcherText } from './launcher.ts'
import { linesTo } from './output.ts'

const TAIL_LINES = 30

export interface StepParts {
  readonly context: RecipeContext
  /** The app's sources; for a component an empty folder. */
  readonly sources: string
  /** The part that is made: `out` lies in it. */
  readonly root: string
  /** Where the recipe's files go: `root` or a folder in it. */
  readonly out: string
  readonly embedded: string
  readonly prefix: string
  /** Folders of the declared sources by name. */
  readonly fetched: ReadonlyMap<string, string>
  readonly scratch: string
  readonly epoch: number
  readonly filter: SourceFilter
  /** Variables that the recipe asks for. */
  readonly declared: Readonly<Record<string, string>>
  readonly signal: AbortSignal
  readonly log: (text: string) => void
  readonly onProgress: (files: number) => void
  /** Told before a program runs. */
  readonly onRun: () => void
}

export function buildStep(parts: StepParts): BuildStep {
  const { context, sources, root, out, embedded, prefix, fetched, scratch, epoch, filter, signal, log } = parts
  const env = cleanEnv(parts)
  const appFolder = context.layout === 'omnibus' ? 'app' : ''
  return {
    context,
    sources,
    out,
    embedded,
    prefix,
    scratch,
    env,
    epoch,
    signal,
    log,
    jobs: availableParallelism(),
    source: (name) => sourceOf(fetched, name),
    included: (path) => filter.file(path),
    copy: (options = {}) => copyTree(parts, inside(options.from ?? ''), inside(options.to ?? '')),
    write: (path, content, options = {}) => writeIn(out, path, content, options),
    bin: (name, launcher) =>
      writeIn(root, launcherPath(name), launcherText(launcher, appFolder), { mode: 0o755, flag: 'wx' }),
    async run(argv, options = {}) {
      parts.onRun()
      log(`$ ${argv.join(' ')}`)
      const lines = linesTo(log, TAIL_LINES)
      const { code, signal: by } = await runLocal(argv, {
        cwd: options.cwd ?? out,
        cleanEnv: { ...env, ...options.env },
        signal,
        onOutput: lines.add,
        // What matters of it is in the log, and at its end.
        maxOutputBytes: 0,
      })
      lines.end()
      if (code === 0) return
      const how = code === null ? `was ended by ${by ?? 'a signal'}` : `failed with exit code ${code}`
      throw new ShipError('build', `"${argv.join(' ')}" ${how}`, {
        details: lines.tail(),
        state: 'nothing was written to dist/',
      })
    },
  }
}

function sourceOf(fetched: ReadonlyMap<string, string>, name: string | undefined): string {
  const folder = name === undefined ? [...fetched.values()][0] : fetched.get(name)
  if (folder !== undefined) return folder
  const has = [...fetched.keys()].join(', ') || 'none'
  throw new ShipError('build', `the recipe has no source "${name ?? ''}"`, { details: [`it has ${has}`] })
}

/** A path below a folder; '' is the folder itself. */
function inside(path: string): string {
  const bare = path.replace(/^\.\/+/, '').replace(/\/+$/, '')
  return bare === '' || bare === '.' ? '' : parseRelPath(bare, 'build')
}

async function writeIn(
  folder: string,
  path: string,
  content: string | Uint8Array,
  options: { readonly mode?: number; readonly flag?: 'wx' },
): Promise<void> {
  const file = join(folder, parseRelPath(path, 'build'))
  await mkdir(dirname(file), { recursive: true })
  if (!`${realpathSync(dirname(file))}${sep}`.startsWith(`${realpathSync(folder)}${sep}`)) {
    throw new ShipError('build', `"${path}" would be written through a link that leads out of the tree`, {
      next: ['let the recipe leave the link out, or write elsewhere'],
    })
  }
  await writeFile(file, content, { mode: 0o644, ...options }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
    throw new ShipError('build', `the app has a file "${path}", where a program for users should go`, {
      next: ['use layout: "omnibus", where the app has a folder of its own, or another name in build.bin'],
    })
  })
}

/** Nothing of the caller's environment but where programs are, and what was asked for: what a build sees is the same everywhere. */
function cleanEnv({ embedded, scratch, epoch, declared }: StepParts): Record<string, string> {
  return {
    ...declared,
    PATH: `${join(embedded, 'bin')}:${process.env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin'}`,
    HOME: join(scratch, 'home'),
    TMPDIR: join(scratch, 'tmp'),
    TZ: 'UTC',
    LC_ALL: 'C.UTF-8',
    SOURCE_DATE_EPOCH: String(epoch),
    CI: 'true',
  }
}
