/** `ship plan --out FILE` and `ship release --plan FILE`: what was seen is what runs, or it is refused. */
import { resolve } from 'node:path'
import { ShipError } from '../errors.ts'
import type { Plan } from '../release/plan.ts'
import type { ReleaseRequest } from '../release/release.ts'
import { readPlan, savePlan, settingsDrift, type Asked, type SavedPlan } from '../release/saved-plan.ts'
import type { Host } from '../transport/transport.ts'
import type { Context, Input } from './command.ts'
import { chosenRelease } from './project.ts'

const FLAGS = ['allowDowngrade', 'force', 'duringFreeze', 'anyBranch', 'skipSoak'] as const
const TEXTS = ['strategy', 'maxFailed', 'maxUnreachable'] as const

/** Writes the plan of a request into the file of `--out`. */
export async function writePlan(
  plan: Plan,
  request: ReleaseRequest,
  { input, context }: { readonly input: Input; readonly context: Context },
): Promise<string | undefined> {
  const file = input.text('out')
  if (file === undefined) return undefined
  const { environment } = request
  await savePlan(resolve(context.cwd, file), { plan, environment, asked: askedOf(input), by: context.io.by })
  return file
}

/**
 * The request that a saved plan was made of: the same environment, hosts and flags, with the bundle that it names. Rejects with reason
 * `refused` when the configuration is not what it was, and `usage` when flags contradict the plan.
 */
export async function savedRelease(file: string, input: Input, context: Context): Promise<ReleaseRequest> {
  refuseFlags(input)
  const saved = await readPlan(resolve(context.cwd, file))
  const { plan } = saved
  if (plan.kind !== 'release') throw new ShipError('refused', `"${file}" is a plan of a ${plan.kind}`)
  const { environment: wanted } = context
  if (wanted !== undefined && wanted !== plan.environment) {
    throw new ShipError('usage', `"${file}" is a plan for "${plan.environment}", not for "${wanted}"`)
  }
  const again = `make a new plan: ship plan --out ${file} -e ${plan.environment}`
  const place = { ...context, environment: plan.environment }
  const request = await chosenRelease(inputOf(saved, input), place).catch((error: unknown) => {
    // An environment or a host that is not there any more is a change, not a mistake in typing.
    const isGone = error instanceof ShipError && error.reason === 'usage'
    throw isGone ? error.as('refused', { state: 'nothing was changed on any host', next: [again] }) : error
  })
  const changed = await settingsDrift(saved, request.environment)
  if (changed.length > 0) {
    throw new ShipError('refused', 'the configuration changed since the plan was made', {
      state: 'nothing was changed on any host',
      details: changed.map(
        (key) => `changed: ${key}${key === 'hosts' ? hostsDrift(plan, request.environment.hosts) : ''}`,
      ),
      next: [again],
    })
  }
  return { ...request, expected: { plan, again } }
}

/** Names that came and went; '' when only something of a host changed. */
function hostsDrift({ hosts, behind }: Plan, now: readonly Host[]): string {
  const before = [...hosts, ...behind].map((p): string => p.host)
  const after = now.map(({ name }): string => name)
  const gone = before.filter((name) => !after.includes(name)).map((name) => `${name} is gone`)
  const added = after.filter((name) => !before.includes(name)).map((name) => `${name} is new`)
  const all = [...gone, ...added].join(', ')
  return all === '' ? '' : ` (${all})`
}

function askedOf(input: Input): Asked {
  // What is brought level may be older than what a host runs.
  const on = FLAGS.filter((flag) => input.on(flag) || (flag === 'allowDowngrade' && input.on('catchUp')))
  const texts = TEXTS.flatMap((name) => {
    const text = input.text(name)
    return text === undefined ? [] : [[name, text] as const]
  })
  return { hosts: [...input.list('hosts')], roles: [...input.list('roles')], ...Object.fromEntries(texts), on }
}

/** Flags as they were when the plan was made; the bundle may be named by its file. */
function inputOf({ asked, plan }: SavedPlan, { args }: Input): Input {
  return {
    args: [args[0] ?? plan.target],
    on: (flag) => asked.on.some((one) => one === flag),
    text: (flag) => TEXTS.flatMap((name) => (name === flag ? (asked[name] ?? []) : []))[0],
    list: (flag) => (flag === 'hosts' ? asked.hosts : flag === 'roles' ? asked.roles : []),
  }
}

function refuseFlags(input: Input): void {
  const given = [
    ...[...FLAGS, 'catchUp'].filter((flag) => input.on(flag)),
    ...TEXTS.filter((flag) => input.text(flag) !== undefined),
    ...['hosts', 'roles'].filter((flag) => input.list(flag).length > 0),
  ]
  const [first] = given
  if (first === undefined) return
  const flag = first.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
  throw new ShipError('usage', `--${flag} is part of a plan: --plan takes it from the file`)
}
