/** Programs that are one file: prebuilt ones checked for the platform, and those of Go. */
import { closeSync, cpSync, existsSync, openSync, readSync, statSync } from 'node:fs'
import { chmod, mkdir } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { readElf } from '../elf/read.ts'
import { ShipError } from '../errors.ts'
import { parseRelPath } from '../names.ts'
import { runLocal } from '../process.ts'
import type { BuildStep, Component } from '../recipe.ts'
import { componentRef } from '../tree/components.ts'

/** What the first bytes, hexadecimal, say of files that people take for Linux programs. */
const OTHER_KINDS: readonly (readonly [RegExp, string])[] = [
  [/^4d5a/, 'a program for Windows'],
  [/^(?:cffaedfe|cefaedfe|cafebabe|feedfa)/, 'a program for macOS'],
  [/^2321/, 'a script'],
  [/^213c617263683e/, 'a library of objects'],
  [/^(?:504b0304|1f8b|fd377a58|425a68)/, 'an archive'],
]
/** Where Go modules come from, and how to get there. */
const PASSED =
  /^(?:GOPROXY|GONOPROXY|GOPRIVATE|GOSUMDB|GONOSUMDB|GOINSECURE|GOMODCACHE|GOCACHE|https?_proxy|no_proxy|all_proxy|ssl_cert_(?:file|dir))$/i

/**
 * Copies a program of the sources (`file`, relative to them) to `bin/<name>` of the part. Rejects (reason `build`) what the platform
 * cannot run, saying what it is instead.
 */
export async function placeBinary(step: BuildStep, name: string, file: string): Promise<void> {
  const from = join(step.sources, parseRelPath(file, 'build'))
  // What is left out of the sources is no input: a change of it would not be seen.
  if (!step.included(file))
    throw new ShipError('build', `"${file}" is in build.bin, and left out by build.include or build.exclude`)
  const problem = binaryProblem(from, step.context.platform)
  if (problem !== undefined) {
    throw new ShipError('build', `"${file}", the program "${name}" of build.bin, ${problem}`, {
      state: 'nothing was written to dist/',
      next: [`give the build for ${step.context.platform}, or another recipe ("files" ships anything)`],
    })
  }
  const to = join(step.out, 'bin', name)
  await mkdir(join(step.out, 'bin'), { recursive: true })
  cpSync(from, to, { dereference: true })
  await chmod(to, 0o755)
}

/** Why a file is no program for the platform (`linux-x64`), as the predicate of a sentence. */
function binaryProblem(file: string, platform: string): string | undefined {
  if (!existsSync(file)) return 'does not exist'
  if (!statSync(file).isFile()) return 'is no file'
  const cpu = platform.slice(platform.indexOf('-') + 1)
  const elf = readElf(file)
  if (!elf) return `is ${kindOf(file)}, and no program for ${platform}`
  if (elf.type !== 'executable') return `is ${elf.type === 'shared' ? 'a library' : 'an object file'}, and no program`
  if (elf.cpu !== cpu)
    return `is for ${elf.cpu === 'other' ? 'another processor' : elf.cpu}, and the build is for ${platform}`
  return undefined
}

function kindOf(file: string): string {
  const fd = openSync(file, 'r')
  try {
    const buffer = Buffer.alloc(16)
    const head = buffer.toString('hex', 0, readSync(fd, buffer, 0, buffer.length, 0))
    return OTHER_KINDS.find(([pattern]) => pattern.test(head))?.[1] ?? 'a file of another kind'
  } finally {
    closeSync(fd)
  }
}

/**
 * Builds a package of a Go module (`folder`, relative to the sources) as `bin/<name>`: without the paths of this machine, without the
 * C library, only with the modules of go.sum.
 */
export async function goBuild(step: BuildStep, name: string, folder: string): Promise<void> {
  const to = join(step.out, 'bin', name)
  const argv = ['go', 'build', '-trimpath', '-buildvcs=false', '-mod=readonly', '-o', to, `./${folder}`]
  const vendored = existsSync(join(step.sources, 'vendor/modules.txt'))
  await step.run(vendored ? argv.filter((a) => a !== '-mod=readonly') : argv, { cwd: step.sources, env: goEnv(step) })
}

function goEnv({ jobs }: BuildStep): Record<string, string> {
  const given = Object.entries(process.env).flatMap(([key, value]) =>
    value !== undefined && PASSED.test(key) ? [[key, value] as const] : [],
  )
  return {
    GOMODCACHE: join(homedir(), 'go/pkg/mod'),
    GOCACHE: join(homedir(), '.cache/go-build'),
    ...Object.fromEntries(given),
    GOFLAGS: '',
    GOTOOLCHAIN: 'local',
    GOWORK: 'off',
    CGO_ENABLED: '0',
    GOMAXPROCS: String(jobs),
  }
}

/** The Go modules that a program was built from, as it says itself; none for programs of other languages. */
export async function goComponents({ signal }: BuildStep, program: string): Promise<readonly Component[]> {
  const result = await runLocal(['go', 'version', '-m', program], { signal })
  const lines = result.stdout.split('\n').map((line) => line.trim().split('\t'))
  const modules = lines.flatMap(([kind, path = '', version = '']): Component[] =>
    kind === 'dep' ? [{ name: path, version, purl: `pkg:golang/${path}@${encodeURIComponent(version)}` }] : [],
  )
  const [, go] = /: go([0-9.]+)/.exec(result.stdout) ?? []
  if (go === undefined) return []
  const runtime: Component = {
    name: 'go',
    version: go,
    license: 'BSD-3-Clause',
    kind: 'runtime',
    purl: `pkg:golang/stdlib@${go}`,
  }
  return [runtime, ...modules.toSorted((a, b) => (componentRef(a) < componentRef(b) ? -1 : 1))]
}
