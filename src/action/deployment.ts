/**
 * A deployment on GitHub with its status, by the REST API ("Deployments" and "Deployment statuses"). It tells what happens and decides
 * nothing: when GitHub does not answer, that is a warning.
 */
import { messageOf } from '../errors.ts'

type Env = Readonly<Record<string, string | undefined>>

export interface DeploymentFacts {
  readonly token: string
  readonly environment: string
  readonly environmentUrl: string | undefined
  readonly description: string
}

type DeploymentState = 'success' | 'failure' | 'error'

export interface Deployment {
  end(state: DeploymentState, description: string): Promise<void>
}

const TIMEOUT_MS = 10_000
/** GitHub refuses longer ones. */
const MAX_DESCRIPTION = 140

/** Begins a deployment of the commit that the workflow runs for. `warn` is told what GitHub did not take. */
export function beginDeployment(facts: DeploymentFacts, env: Env, warn: (message: string) => void): Deployment {
  const { environment, environmentUrl, description } = facts
  const { GITHUB_REPOSITORY: repository = '', GITHUB_SHA: ref = '', GITHUB_SERVER_URL: server = '' } = env
  const base = `${env['GITHUB_API_URL'] || 'https://api.github.com'}/repos/${repository}/deployments`
  const logUrl = `${server}/${repository}/actions/runs/${env['GITHUB_RUN_ID'] ?? ''}`
  const send = async (url: string, body: object): Promise<unknown> => {
    const headers = {
      authorization: `Bearer ${facts.token}`,
      accept: 'application/vnd.github+json',
      'content-type': 'application/json',
      'x-github-api-version': '2022-11-28',
    }
    const signal = AbortSignal.timeout(TIMEOUT_MS)
    const answer = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body), signal })
    if (answer.status === 403) throw new Error('403: the job needs the permission "deployments: write"')
    if (!answer.ok) throw new Error(`it answered ${answer.status}`)
    return answer.json()
  }
  const status = async (id: number, state: string, text: string): Promise<void> => {
    await send(`${base}/${id}/statuses`, {
      state,
      description: text.slice(0, MAX_DESCRIPTION),
      log_url: logUrl,
      ...(environmentUrl === undefined ? {} : { environment_url: environmentUrl }),
    })
  }
  // Nobody waits for it: the release goes on meanwhile.
  const begun = (async (): Promise<number> => {
    // Without required contexts it would be refused while the checks of the commit, this run among them, are not through.
    const body = {
      ref,
      environment,
      auto_merge: false,
      required_contexts: [],
      description: description.slice(0, MAX_DESCRIPTION),
    }
    const made = await send(base, body)
    const id = typeof made === 'object' && made !== null && 'id' in made ? made.id : undefined
    if (typeof id !== 'number') throw new Error('the answer has no id')
    await status(id, 'in_progress', description)
    return id
  })()
  const told = begun.catch((error: unknown) => {
    warn(`no deployment on GitHub: ${messageOf(error)}`)
  })
  return {
    async end(state, text) {
      const id = await told
      if (id === undefined) return
      await status(id, state, text).catch((error: unknown) => {
        warn(`the deployment on GitHub has no final status: ${messageOf(error)}`)
      })
    },
  }
}
