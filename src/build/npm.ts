/** npm as recipes use it: only what the lockfile names is installed, whatever the machine; access to registries is the user's own. */
import { existsSync, globSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { messageOf, ShipError } from '../errors.ts'
import type { BuildStep } from '../recipe.ts'

const LOCKFILES = ['package-lock.json', 'npm-shrinkwrap.json']
const OTHER_LOCKFILES = { 'pnpm-lock.yaml': 'pnpm', 'yarn.lock': 'yarn', 'bun.lock': 'bun' }
/** Settings of the caller's npm that say where packages come from and how to get there. */
const PASSED =
  /^(?:npm_config_(?:userconfig|globalconfig|cache|registry|cafile|proxy|https_proxy|noproxy|omit_lockfile_registry_resolved)|https?_proxy|no_proxy|all_proxy|node_extra_ca_certs|ssl_cert_(?:file|dir))$/i

interface PackageJson {
  readonly scripts?: Readonly<Record<string, string>>
  readonly dependencies?: Readonly<Record<string, string>>
  readonly name?: string
  readonly bin?: string | Readonly<Record<string, string>>
}

/** `package.json` of a folder. Rejects (reason `build`) when there is none or it is no JSON. */
export async function readPackage(folder: string): Promise<PackageJson> {
  const file = join(folder, 'package.json')
  try {
    return JSON.parse(await readFile(file, 'utf8')) as PackageJson
  } catch (cause) {
    throw new ShipError('build', `package.json cannot be read: ${messageOf(cause)}`, {
      cause,
      next: ['give the folder of a package as build.from'],
    })
  }
}

/** Installs from the lockfile in `folder`. Packages' own install scripts run, for native parts need them. */
export async function npmInstall(step: BuildStep, folder: string, { dev = false } = {}): Promise<void> {
  requireLockfile(folder)
  const omit = dev ? [] : ['--omit=dev']
  await step.run(['npm', 'ci', ...omit, '--no-audit', '--no-fund'], { cwd: folder, env: await npmEnv(step, folder) })
}

/** Runs a script of package.json. */
export async function npmRun(step: BuildStep, folder: string, script: string): Promise<void> {
  await step.run(['npm', 'run', script], { cwd: folder, env: await npmEnv(step, folder) })
}

/** Takes development packages away again, and npm's own notes. */
export async function npmPrune(step: BuildStep, folder: string): Promise<void> {
  await step.run(['npm', 'prune', '--omit=dev', '--no-audit', '--no-fund'], {
    cwd: folder,
    env: await npmEnv(step, folder),
  })
  await forgetNotes(folder)
}

/**
 * What npm and build tools leave in node_modules for themselves: it is no part of the app. What node-gyp keeps beside the compiled
 * module names the folder it was built in.
 */
export async function forgetNotes(folder: string): Promise<void> {
  const modules = join(folder, 'node_modules')
  const notes = ['.package-lock.json', '.cache'].map((name) => join(modules, name))
  const built = globSync(
    '**/build/{Makefile,*.mk,*.Makefile,config.gypi,gyp-mac-tool,Release/{obj.target,obj,.deps}}',
    { cwd: modules },
  )
  for (const path of [...notes, ...built.map((name) => join(modules, name))])
    await rm(path, { recursive: true, force: true })
}

/** Programs for `bin/` and the file of each: those of `build.bin`; without any, with `own`, those of package.json. */
export async function npmPrograms(
  { context, out }: BuildStep,
  own: boolean,
): Promise<Readonly<Record<string, string>>> {
  if (Object.keys(context.bin).length > 0 || !own) return context.bin
  const { bin = {}, name = context.app } = await readPackage(out)
  const all = typeof bin === 'string' ? { [name.replace(/^@[^/]*\//, '')]: bin } : bin
  return Object.fromEntries(Object.entries(all).map(([program, file]) => [program, file.replace(/^\.\//, '')]))
}

/** `native` when the lockfile names production packages for one platform, or with install scripts. */
export async function npmPlatform(folder: string): Promise<'any' | 'native'> {
  const name = LOCKFILES.find((file) => existsSync(join(folder, file)))
  if (name === undefined) return 'any'
  interface Locked {
    readonly dev?: boolean
    readonly os?: unknown
    readonly cpu?: unknown
    readonly hasInstallScript?: boolean
  }
  const lock = JSON.parse(await readFile(join(folder, name), 'utf8')) as {
    readonly packages?: Readonly<Record<string, Locked>>
  }
  const shipped = Object.values(lock.packages ?? {}).filter((p) => p.dev !== true)
  return shipped.some((p) => p.os !== undefined || p.cpu !== undefined || p.hasInstallScript === true)
    ? 'native'
    : 'any'
}

function requireLockfile(folder: string): void {
  if (LOCKFILES.some((name) => existsSync(join(folder, name)))) return
  const other = Object.entries(OTHER_LOCKFILES).find(([name]) => existsSync(join(folder, name)))
  throw new ShipError('build', `there is no ${LOCKFILES[0]}: what would be installed is not known`, {
    state: 'nothing was written to dist/',
    next: other
      ? [
          `this project uses ${other[1]}; write recipes/<name>.ts that runs it (see defineRecipe), or add: npm install --package-lock-only`,
        ]
      : ['npm install, and commit the lockfile; or leave it out of build.exclude'],
  })
}

/** The user's npm settings, and the variables that their .npmrc files name (tokens): they come from nowhere else. */
async function npmEnv({ embedded }: BuildStep, folder: string): Promise<Record<string, string>> {
  const given = Object.entries(process.env).flatMap(([key, value]) =>
    value !== undefined && PASSED.test(key) ? [[key, value] as const] : [],
  )
  const env: Record<string, string> = Object.fromEntries(given)
  const has = (name: string): boolean => Object.keys(env).some((key) => key.toLowerCase() === name)
  const userConfig = join(homedir(), '.npmrc')
  if (!has('npm_config_userconfig') && existsSync(userConfig)) env['npm_config_userconfig'] = userConfig
  if (!has('npm_config_cache')) env['npm_config_cache'] = join(homedir(), '.npm')
  // Native parts are compiled for the Node that comes along.
  if (existsSync(join(embedded, 'include/node'))) env['npm_config_nodedir'] = embedded
  for (const file of [env['npm_config_userconfig'], join(folder, '.npmrc')]) {
    const text = file === undefined ? '' : await readFile(file, 'utf8').catch(() => '')
    for (const [, name = ''] of text.matchAll(/\$\{([A-Za-z_][A-Za-z0-9_]*)[?]?\}/g)) {
      const value = process.env[name]
      if (value !== undefined) env[name] = value
    }
  }
  return env
}
