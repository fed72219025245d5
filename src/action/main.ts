/**
 * The entry of the GitHub action: the runner's inputs -> ship's own command line, in this process -> outputs, summary, deployment. Progress
 * and annotations in the log are those of `ui/actions.ts`. It becomes one file (`action/index.js`), so the public API is exported from here:
 * a configuration that imports 'slipway' gets this very module.
 */
import { ShipError } from '../errors.ts'
import { main } from '../main.ts'
import { workflowCommand } from '../ui/actions.ts'
import type { Ending, Renderer } from '../ui/renderer.ts'
import { beginDeployment, type Deployment } from './deployment.ts'
import { summaryFile, writeOutputs } from './files.ts'
import { argvOf, inputOf, readInputs, SECRET_INPUTS, variableOf, type Inputs } from './inputs.ts'
import { outputsOf, resultOf } from './outcome.ts'
import { redacted, secretLines } from './secrets.ts'
import { prepareSsh } from './ssh.ts'
import { summaryOf, unfinishedSummary, type SummaryFacts } from './summary.ts'

export * from '../index.ts'

/** What `start` finds out on its way. */
interface Found {
  inputs?: Inputs
  argv: readonly string[]
  deployment?: Deployment | undefined
  dispose: () => void
}

// The module must be whole before a configuration imports it: nobody waits here.
void start()

async function start(): Promise<void> {
  const { env } = process
  const started = performance.now()
  // Read by no program that this one starts, and by nobody who looks at the log.
  const given = { ...env }
  const secrets = secretLines(SECRET_INPUTS.map((name) => inputOf(given, name)))
  for (const secret of secrets) say('add-mask', secret)
  for (const name of SECRET_INPUTS) delete env[variableOf(name)]
  // The look of the log, and no lines about what a terminal could do.
  env['GITHUB_ACTIONS'] = 'true'

  const found: Found = { argv: [], dispose: () => undefined }
  const writeSummary = summaryFile(env['GITHUB_STEP_SUMMARY'])
  const facts = (): SummaryFacts => ({
    line: ['ship', ...found.argv].join(' '),
    durationMs: performance.now() - started,
    workspace: env['GITHUB_WORKSPACE'] || process.cwd(),
  })
  const report = async (ending: Ending): Promise<void> => {
    const outputs = Object.entries(outputsOf(ending)).map(([name, value]) => [name, redacted(value, secrets)])
    told('outputs', () => writeOutputs(env['GITHUB_OUTPUT'], Object.fromEntries(outputs)))
    told('summary', () => writeSummary(redacted(summaryOf(ending, facts()), secrets)))
    await found.deployment?.end(stateOf(ending), resultOf(ending))
    found.dispose()
  }
  process.once('SIGTERM', () => {
    told('summary', () => writeSummary(redacted(unfinishedSummary(facts(), found.inputs?.environment), secrets)))
  })
  await main({
    patient: true,
    async argv() {
      const inputs = (found.inputs = readInputs(given))
      found.argv = argvOf(inputs)
      const ssh = await prepareSsh(inputs, env)
      found.dispose = () => ssh.dispose()
      Object.assign(env, ssh.variables)
      found.deployment = deploymentOf(inputs, env)
      return found.argv
    },
    around: (renderer) => reporting(renderer, report, () => found.inputs),
  })
}

/** Shows the end of a run, with what only the action knows of it, and reports it. */
function reporting(
  renderer: Renderer,
  report: (ending: Ending) => Promise<void>,
  inputs: () => Inputs | undefined,
): Renderer {
  return {
    ...renderer,
    async end(ending) {
      const whole = { ...ending, error: withInputs(ending.error, inputs()) }
      await renderer.end(whole)
      await report(whole)
    },
  }
}

/** Where a mistake is mended in a workflow is another place than on a terminal. */
function withInputs(error: unknown, inputs: Inputs | undefined): unknown {
  if (!(error instanceof ShipError)) return error
  const more =
    error.reason === 'host-key' && inputs?.knownHosts === undefined
      ? ['give the lines of known_hosts as the input "known-hosts", or pin the keys in the configuration ("hostKey")']
      : error.reason === 'auth' && inputs?.privateKey === undefined
        ? ['give the key of the deploy user as the input "ssh-private-key", from a secret']
        : []
  if (more.length === 0) return error
  const { reason, message, host, step, state, details, cause } = error
  return new ShipError(reason, message, { host, step, state, details, cause, next: [...more, ...error.next] })
}

function deploymentOf(inputs: Inputs, env: NodeJS.ProcessEnv): Deployment | undefined {
  const { command, environment, environmentUrl, token, args } = inputs
  const changes = (command === 'release' || command === 'rollback') && !args.includes('--dry-run')
  if (!changes || token === undefined || environment === undefined) return undefined
  const description = ['ship', command, inputs.version].filter((word) => word !== undefined).join(' ')
  return beginDeployment({ token, environment, environmentUrl, description }, env, (message) => say('warning', message))
}

function stateOf({ exitCode }: Ending): 'success' | 'failure' | 'error' {
  if (exitCode === 0) return 'success'
  return exitCode >= 5 && exitCode <= 7 ? 'failure' : 'error'
}

/** What cannot be told does not undo what was done. */
function told(what: string, write: () => void): void {
  try {
    write()
  } catch (error) {
    say('warning', `the ${what} of this step could not be written: ${String(error)}`)
  }
}

function say(name: string, message: string): void {
  process.stderr.write(`${workflowCommand(name, message)}\n`)
}
