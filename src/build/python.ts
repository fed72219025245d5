/** Python as recipes use it: only what requirements.txt locks is installed; access to package indexes is the user's own. */
import { existsSync } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { ShipError } from '../errors.ts'
import type { BuildStep } from '../recipe.ts'
import { coversAll, normalName, otherLockfile, readRequirements, type Requirement } from './requirements.ts'

/** Folder of the app's packages; their programs are in `bin` there. */
export const SITE_PACKAGES = 'site-packages'

/** Settings of the caller's pip that say where packages come from and how to get there. */
const PASSED =
  /^(?:PIP_(?:CONFIG_FILE|INDEX_URL|EXTRA_INDEX_URL|FIND_LINKS|NO_INDEX|TRUSTED_HOST|CERT|CLIENT_CERT|PROXY|CACHE_DIR|KEYRING_PROVIDER)|https?_proxy|no_proxy|all_proxy|requests_ca_bundle|ssl_cert_(?:file|dir))$/i
/** pip writes its interpreter's path into programs of packages: this one is right on every host. */
const PIP = `import runpy, sys
wheels, sys.argv = sys.argv[1], ['pip', *sys.argv[2:]]
if wheels:
    import glob
    sys.path[:0] = glob.glob(wheels + '/pip-*.whl')
sys.executable = '/usr/bin/env python3'
runpy.run_module('pip', run_name='__main__', alter_sys=True)
`
const READ_TOML = `import json, sys
try:
    import tomllib
except ImportError:
    from pip._vendor import tomli as tomllib
with open(sys.argv[1], 'rb') as file:
    project = tomllib.load(file).get('project', {})
with open(sys.argv[2], 'w') as file:
    json.dump({key: project.get(key) for key in ('dependencies', 'scripts')}, file)
`
const COMPILE = `import compileall, os, py_compile, sys
checked = py_compile.PycInvalidationMode.CHECKED_HASH
compileall.compile_dir(os.getcwd(), quiet=2, force=True, workers=1, invalidation_mode=checked, stripdir=os.getcwd(), prependdir='app')
`
const ENTRY = /^([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)$/

const projectSchema = z.object({
  dependencies: z.array(z.string()).nullish(),
  scripts: z.record(z.string(), z.string()).nullish(),
})

export interface PythonOptions {
  /** The interpreter: a path, or a name in PATH. */
  readonly python: string
  /** Folder with a wheel of pip; without it the interpreter's own pip is used. */
  readonly pipWheels?: string
}

/**
 * Installs what requirements.txt locks into `site-packages`. A folder `wheels/` of the sources is looked into first, and no index is
 * asked when it has all. Rejects (reason `build`) what is not locked, by name.
 */
export async function pipInstall(step: BuildStep, { python, pipWheels = '' }: PythonOptions): Promise<void> {
  const requirements = readRequirements(step.out)
  await refuseUnlocked(step, python, requirements)
  if (requirements === undefined || requirements.length === 0) return
  const wheels = join(step.sources, 'wheels')
  const links = existsSync(wheels) ? ['--find-links', wheels] : []
  const how = [
    '--require-hashes',
    '--only-binary=:all:',
    '--no-compile',
    '--ignore-installed',
    '--no-input',
    '--no-warn-script-location',
  ]
  const where = [...(coversAll(wheels, requirements) ? ['--no-index'] : []), ...links, '--disable-pip-version-check']
  const target = join(step.out, SITE_PACKAGES)
  const argv = [...how, ...where, '--progress-bar=off', '--target', target, '-r', join(step.out, 'requirements.txt')]
  await mkdir(target)
  const pip = [python, '-I', '-B', '-c', PIP, pipWheels, 'install', ...argv]
  await step.run(pip, { cwd: step.scratch, env: pipEnv() }).catch((error: unknown) => {
    throw error instanceof ShipError ? pipError(error) : error
  })
}

/** Sources of packages run code of their own when they are built, with what they please to fetch: only wheels are installed. */
function pipError(error: ShipError): ShipError {
  const [, missing] = error.details.join('\n').match(/No matching distribution found for (\S+)/) ?? []
  if (missing === undefined) return error
  const next = [
    `there is no wheel for this platform; make one: pip wheel --no-deps -w wheels ${missing}`,
    'and lock its digest',
  ]
  return new ShipError('build', `"${missing}" is not to be had as a wheel`, {
    state: error.state,
    details: error.details,
    next,
  })
}

/** Writes compiled modules beside all modules of the tree: they tell a changed source by its digest, and name no time. */
export async function compileModules(step: BuildStep, python: string): Promise<void> {
  await step.run([python, '-I', '-B', '-c', COMPILE], { cwd: step.out, env: { PYTHONHASHSEED: '0' } })
}

/** Where the app's own modules and its packages are, relative to the tree: what PYTHONPATH must name. */
export function pythonPath({ context, out }: BuildStep): readonly string[] {
  const places = ['.', 'src', SITE_PACKAGES].filter((place) => place === '.' || existsSync(join(out, place)))
  return context.layout === 'omnibus' ? places.map((place) => join('app', place)) : places
}

/**
 * Programs for `bin/` and the file of each, relative to the app: those of `build.bin`, a file or `module:function`; without any the
 * `[project.scripts]` of pyproject.toml. For functions a file is written.
 */
export async function pythonPrograms(step: BuildStep, python: string): Promise<Readonly<Record<string, string>>> {
  const { bin } = step.context
  const scripts = Object.keys(bin).length === 0 ? ((await readProject(step, python)).scripts ?? {}) : {}
  const programs: Record<string, string> = {}
  for (const [name, wanted] of Object.entries({ ...bin, ...scripts })) {
    const [, module, attribute = ''] = ENTRY.exec(wanted) ?? []
    programs[name] = module === undefined ? wanted : `${SITE_PACKAGES}/bin/${name}`
    if (module !== undefined) await step.write(programs[name], entryText(module, attribute), { mode: 0o755 })
    else if (name in scripts)
      throw new ShipError('build', `pyproject.toml has "${wanted}" for the program "${name}"`, {
        next: ['write "module:function"'],
      })
    else if (!existsSync(join(step.out, wanted)))
      throw new ShipError('build', `build.bin has "${wanted}", which is no file of the app`)
  }
  return programs
}

function entryText(module: string, attribute: string): string {
  const [first = ''] = attribute.split('.')
  return `#!/usr/bin/env python3\nimport sys\n\nfrom ${module} import ${first}\n\nsys.exit(${attribute}())\n`
}

/** Whatever names packages, requirements.txt must lock them. What holds on some platforms only (`; marker`) may be missing there. */
async function refuseUnlocked(
  step: BuildStep,
  python: string,
  locked: readonly Requirement[] | undefined,
): Promise<void> {
  if (locked === undefined && existsSync(join(step.sources, 'requirements.txt')))
    throw new ShipError(
      'build',
      'requirements.txt is left out by build.exclude, so what would be installed is not known',
    )
  const has = new Set(locked?.map((r) => r.name))
  const wanted = ((await readProject(step, python)).dependencies ?? []).filter((text) => !text.includes(';'))
  const missing = wanted.filter((text) => !has.has(normalName(/^[A-Za-z0-9._-]+/.exec(text)?.[0] ?? '')))
  const other = locked === undefined ? otherLockfile(step.out) : undefined
  if (missing.length === 0 && other === undefined) return
  const what =
    missing.length === 0 ? `${other?.file ?? ''} locks packages` : `pyproject.toml needs ${missing.join(', ')}`
  const state =
    locked === undefined ? 'there is no requirements.txt that locks it' : 'requirements.txt does not lock it'
  throw new ShipError('build', `${what}, and ${state}`, {
    state: 'nothing was written to dist/',
    next: [other?.command ?? 'pip-compile --generate-hashes -o requirements.txt pyproject.toml', 'and commit the file'],
  })
}

async function readProject(step: BuildStep, python: string): Promise<z.output<typeof projectSchema>> {
  const file = join(step.out, 'pyproject.toml')
  if (!existsSync(file)) return {}
  const answer = join(step.scratch, 'project.json')
  await step.run([python, '-I', '-B', '-c', READ_TOML, file, answer], { cwd: step.scratch })
  return projectSchema.parse(JSON.parse(await readFile(answer, 'utf8')))
}

/** The user's pip settings: they come from nowhere else. */
function pipEnv(): Record<string, string> {
  const given = Object.entries(process.env).flatMap(([key, value]) =>
    value !== undefined && PASSED.test(key) ? [[key, value] as const] : [],
  )
  const env: Record<string, string> = { ...Object.fromEntries(given), PIP_USER: '0' }
  const own = ['.config/pip/pip.conf', '.pip/pip.conf']
    .map((path) => join(homedir(), path))
    .find((path) => existsSync(path))
  if (env['PIP_CONFIG_FILE'] === undefined && own !== undefined) env['PIP_CONFIG_FILE'] = own
  env['PIP_CACHE_DIR'] ??= join(homedir(), '.cache/pip')
  return env
}
