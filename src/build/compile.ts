/** Compilers as recipes use them: flags for programs that run from any folder and are the same wherever they are built. */
import { chmodSync, cpSync, existsSync, lstatSync } from 'node:fs'
import { join } from 'node:path'
import { readElf } from '../elf/read.ts'
import { ShipError } from '../errors.ts'
import type { BuildStep } from '../recipe.ts'
import { walkTree } from '../tree/walk.ts'

/**
 * Variables for `configure` and `make`. Libraries are found beside the program: the linker takes the path from LD_RUN_PATH, for
 * `$ORIGIN` in LDFLAGS is mangled by every shell and makefile on its way.
 */
export function compilerEnv(step: BuildStep): Record<string, string> {
  const { embedded, scratch } = step
  const flags = `-O2 -fstack-protector-strong -D_FORTIFY_SOURCE=2 -ffile-prefix-map=${scratch}=.`
  return {
    CFLAGS: flags,
    CXXFLAGS: flags,
    CPPFLAGS: `-I${join(embedded, 'include')}`,
    LDFLAGS: `-L${join(embedded, 'lib')} -Wl,-z,relro -Wl,-z,now`,
    LD_RUN_PATH: '$ORIGIN/../lib',
    PKG_CONFIG_PATH: join(embedded, 'lib/pkgconfig'),
    MAKEFLAGS: `-j${step.jobs}`,
    ...step.env,
  }
}

export interface MakeOptions {
  /** Name of the source; default: the first. */
  readonly source?: string
  /** Program and arguments; `--prefix` is added. Default `./configure`. */
  readonly configure?: readonly string[]
  /** Arguments of make. */
  readonly make?: readonly string[]
  /** Arguments of make that install; DESTDIR is added. Default `install`. */
  readonly install?: readonly string[]
}

/** `configure`, `make`, `make install` into the tree, stripped. Nothing outside of the scratch folder is written to. */
export async function configureMake(step: BuildStep, options: MakeOptions = {}): Promise<void> {
  const { configure = ['./configure'], make = [], install = ['install'] } = options
  const cwd = step.source(options.source)
  const env = compilerEnv(step)
  await step.run([...configure, `--prefix=${step.prefix}`], { cwd, env })
  await step.run(['make', ...make], { cwd, env })
  const destination = join(step.scratch, 'destination')
  await step.run(['make', ...install, `DESTDIR=${destination}`], { cwd, env: { ...env, MAKEFLAGS: '' } })
  const made = join(destination, step.prefix)
  if (!existsSync(made)) {
    throw new ShipError('build', `"make ${install.join(' ')}" put nothing below ${step.prefix}`, {
      next: ['look whether it honours DESTDIR and --prefix'],
    })
  }
  cpSync(made, step.out, { recursive: true, verbatimSymlinks: true })
  await stripTree(step)
}

/** Takes symbols for debuggers out of all programs and libraries of the part, and the right to run from libraries. */
export async function stripTree(step: BuildStep): Promise<void> {
  for (const file of await elfFiles(step)) {
    await step.run(['strip', '--strip-unneeded', file])
    // Nothing runs it, whatever `make install` says; Debian has it so (policy 8.1).
    if (/\.so(?:\.\d+)*$/.test(file) && readElf(file)?.interpreter === undefined) chmodSync(file, 0o644)
  }
}

/** Absolute paths of the part's programs and shared libraries. */
export async function elfFiles({ out, signal }: BuildStep): Promise<readonly string[]> {
  const entries = await walkTree(out, { signal })
  return entries
    .filter((e) => e.type === 'file' && e.size > 64 && !/\.(?:a|o)$/.test(e.path))
    .map((e) => join(out, e.path))
    .filter((file) => lstatSync(file).isFile() && isLinked(file))
}

function isLinked(file: string): boolean {
  const type = readElf(file)?.type
  return type === 'executable' || type === 'shared'
}
