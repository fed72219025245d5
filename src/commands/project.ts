/** From flags to the project and the environment they mean. */
import { distOf } from '../build/build.ts'
import { findBundle } from '../build/find.ts'
import { environmentOf, type Environment, type Strategy } from '../config/environment.ts'
import { loadProject, type Project } from '../config/load.ts'
import { ShipError } from '../errors.ts'
import { verifyBundle, type Bundle } from '../formats/bundle.ts'
import { formatOfFile } from '../formats/index.ts'
import { inStep } from '../io.ts'
import type { ReleaseRequest } from '../release/release.ts'
import { parseShare } from '../units.ts'
import type { Context, Input } from './command.ts'

/** The project that `--config` or the folder means. A configuration may run code of the user's, so Ctrl-C does not wait for it. */
export function openProject({ cwd, config, io }: Context): Promise<Project> {
  return orAborted(loadProject({ cwd, configFile: config }), io.signal)
}

/** The environment of `-e`, with the hosts of `--hosts` and `--roles` and the strategy of `--strategy`. */
export async function chosenEnvironment(input: Input, context: Context, known?: Project): Promise<Environment> {
  const project = known ?? (await openProject(context))
  const selection = { name: context.environment, hosts: input.list('hosts'), roles: input.list('roles') }
  const environment = await orAborted(environmentOf(project, selection), context.io.signal)
  const strategy = input.text('strategy')
  return strategy === undefined ? environment : { ...environment, strategy: strategyOf(strategy) }
}

/** The bundle that an argument means: a file needs no project, a version does. Its content is not read yet. */
export async function chosenFile(wanted: string | undefined, context: Context): Promise<Bundle> {
  if (wanted !== undefined && formatOfFile(wanted)) {
    return findBundle({ dist: '', app: '', cwd: context.cwd, wanted })
  }
  const project = await openProject(context)
  return findBundle({ dist: distOf(project), app: project.name, cwd: context.cwd, wanted })
}

/** Reads a bundle whole and checks it: what goes on from here is what was built. */
export async function checkBundle(bundle: Bundle, { io }: Context): Promise<void> {
  const { name, version, entries } = bundle.manifest
  const total = entries.reduce((sum, e) => sum + (e.type === 'file' ? e.size : 0), 0)
  await inStep(io.emit, { step: 'verify', title: 'check the bundle' }, async () => {
    const onProgress = (done: number): void =>
      io.emit({ event: 'step.progress', step: 'verify', progress: { done, total, unit: 'bytes' } })
    await verifyBundle(bundle, { signal: io.signal, onProgress })
    return `${name} ${version}, ${bundle.digest.slice(0, 12)}`
  })
}

/** What `release` and `plan` are asked to do. */
export async function chosenRelease(input: Input, context: Context): Promise<ReleaseRequest> {
  const project = await openProject(context)
  const environment = await chosenEnvironment(input, context, project)
  const question = { dist: distOf(project), app: project.name, cwd: context.cwd, wanted: input.args[0] }
  const bundle = await findBundle(question)
  const { name } = bundle.manifest
  if (name !== project.name) {
    throw new ShipError('refused', `this is a bundle of "${name}", and the project is "${project.name}"`, {
      state: 'nothing was changed on any host',
    })
  }
  await checkBundle(bundle, context)
  return { environment, bundle, allowDowngrade: input.on('allowDowngrade') }
}

/** "all", "rolling", "rolling:2" (hosts at a time), "rolling:25%". */
export function strategyOf(text: string): Strategy {
  if (text === 'all') return { type: 'all' }
  const [, batch] = /^rolling(?::(.+))?$/.exec(text) ?? [undefined, '']
  if (batch === undefined) return { type: 'rolling', batch: { hosts: 1 }, pauseMs: 0 }
  if (/^[1-9]\d{0,5}$/.test(batch)) return { type: 'rolling', batch: { hosts: Number(batch) }, pauseMs: 0 }
  const share = parseShare(batch)
  if (share !== undefined) return { type: 'rolling', batch: { share }, pauseMs: 0 }
  throw new ShipError('usage', `"${text}" is no strategy`, { next: ['use all, rolling, rolling:2 or rolling:25%'] })
}

function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason)
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}
