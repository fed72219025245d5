/** Who runs ship, as locks and history tell it: the actor and URL of a CI run, else `user@machine`. */
import { randomBytes } from 'node:crypto'
import { hostname, userInfo } from 'node:os'
import { escapeControls } from '../names.ts'
import type { Io } from '../io.ts'

type Env = Readonly<Record<string, string | undefined>>

export function identify(env: Env): Pick<Io, 'run' | 'by' | 'url'> {
  return { run: randomBytes(4).toString('hex'), by: escapeControls(actor(env)), url: runUrl(env) }
}

function actor(env: Env): string {
  return (
    env['GITHUB_ACTOR'] ||
    env['GITLAB_USER_LOGIN'] ||
    env['BUILDKITE_BUILD_CREATOR'] ||
    `${userName(env)}@${hostname()}`
  )
}

function runUrl(env: Env): string | undefined {
  const { GITHUB_SERVER_URL: server, GITHUB_REPOSITORY: repository, GITHUB_RUN_ID: run } = env
  if (server && repository && run) return `${server}/${repository}/actions/runs/${run}`
  return env['CI_JOB_URL'] || env['BUILDKITE_BUILD_URL'] || env['BUILD_URL'] || undefined
}

function userName(env: Env): string {
  try {
    return userInfo().username
  } catch {
    // No entry in the password file, as in many containers.
    return env['USER'] || env['LOGNAME'] || 'unknown'
  }
}
