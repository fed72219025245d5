/** From flags to the project and the environment they mean. */
import { environmentOf, type Environment, type Strategy } from '../config/environment.ts'
import { loadProject, type Project } from '../config/load.ts'
import { ShipError } from '../errors.ts'
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
