/** The programs that hooks, checks and logs of an environment call, as far as their words tell. Pure. */
import type { Environment } from '../config/environment.ts'
import type { Host } from '../transport/transport.ts'

/** A program, and what calls it: `systemctl`, "hook systemctl reload shop". */
export interface WantedProgram {
  readonly program: string
  readonly by: string
}

/** Those that a host must have. */
export function programsOnHost(environment: Environment, host: Host): readonly WantedProgram[] {
  const concerns = ({ role }: { readonly role: string | undefined }): boolean =>
    role === undefined || host.roles.includes(role)
  const hooks = hooksOf(environment, false).filter(concerns)
  const checks = environment.health.filter((spec) => spec.from === 'host' && concerns(spec))
  const logs = environment.logs.some(({ unit }) => unit !== undefined) ? [{ program: 'journalctl', by: 'logs' }] : []
  const kinds = checks.flatMap(({ kind, options }) => {
    if (kind === 'systemd') return [{ program: 'systemctl', by: 'the systemd check' }]
    return kind === 'exec' ? named(commandOf(options), 'the exec check') : []
  })
  return unique([...hooks.flatMap(({ argv, title }) => named(argv, `hook "${title}"`)), ...kinds, ...logs])
}

/** Those that this machine must have: hooks that are `local`, and checks from here. */
export function programsHere(environment: Environment): readonly WantedProgram[] {
  const checks = environment.health.filter(({ from, kind }) => from === 'client' && kind === 'exec')
  return unique([
    ...hooksOf(environment, true).flatMap(({ argv, title }) => named(argv, `hook "${title}"`)),
    ...checks.flatMap(({ options }) => named(commandOf(options), 'the exec check')),
  ])
}

function hooksOf({ hooks }: Environment, local: boolean): Environment['hooks'][keyof Environment['hooks']] {
  return Object.values(hooks)
    .flat()
    .filter((hook) => (hook.local ?? false) === local)
}

function commandOf(options: unknown): readonly string[] {
  const command = typeof options === 'object' && options !== null && 'exec' in options ? options.exec : undefined
  if (typeof command === 'string') return ['sh', '-c', command]
  return Array.isArray(command) ? command.filter((word) => typeof word === 'string') : []
}

/** The first word of a command, when it is a program for sure: none of the release itself, and nothing that a shell makes of it. */
function named(argv: readonly string[], by: string): readonly WantedProgram[] {
  const isText = argv[0] === 'sh' && argv[1] === '-c'
  const word = isText ? (/^\s*(?:exec\s+)?([^\s;&|<>()]+)/.exec(argv[2] ?? '')?.[1] ?? '') : (argv[0] ?? '')
  const isPlain = /^[A-Za-z0-9_.+[-]+$/.test(word) || /^\/[A-Za-z0-9_.+/-]+$/.test(word)
  return isPlain ? [{ program: word, by }] : []
}

function unique(all: readonly WantedProgram[]): readonly WantedProgram[] {
  return all.filter((one, i) => all.findIndex(({ program }) => program === one.program) === i)
}
