/** What every story has in common: a place to be told in, and the steps that are the same for every kind of app. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Session } from './session.ts'

export interface Scene extends Session {
  readonly project: string
  readonly host: string
  /** Port that the app listens on. */
  readonly port: number
  /** Folder on the host. */
  readonly deployTo: string
  /** What npm installs ship from. */
  readonly install: string
  /** Folder of all of it. */
  readonly dir: string
}

export interface Story {
  readonly title: string
  /** Name of the project's folder. */
  readonly folder: string
  /** The port that stands in the text. */
  readonly port: number
  tell(scene: Scene): Promise<void>
  end?(scene: Scene): Promise<void> | void
}

/** `ship init` with the five answers that a person types. */
export async function initialised(
  scene: Scene,
  ship: string,
  answers: { restart: string; health: string },
): Promise<void> {
  const { host, deployTo } = scene
  const enter = (when: string, text = ''): { when: string; type: string; afterMs: number } => ({
    when,
    type: `${text}\n`,
    afterMs: 100,
  })
  await scene.run(`${ship} init --deploy-to ${deployTo}`, {
    answers: [
      enter('name of the app'),
      enter('kind of app'),
      enter('hosts of production', host),
      enter('restarts the app', answers.restart),
      enter('health check', answers.health),
    ],
  })
}

/** From known host keys to a release that is live. */
export async function firstRelease(scene: Scene, ship: string): Promise<void> {
  scene.say('The keys of the hosts are compared and kept once; then everything that a release needs is looked at.')
  await scene.run(`${ship} trust -e production`, { answers: [{ when: '[y/N]', type: 'y\n', afterMs: 100 }] })
  await scene.run(`${ship} check -e production`)
  await scene.run(`${ship} build`)
  await scene.run(`${ship} plan -e production`)
  await release(scene, ship)
}

export async function release(scene: Scene, ship: string, code = 0): Promise<void> {
  await scene.run(`${ship} release -e production`, { code, answers: [{ when: '[y/N]', type: 'y\n', afterMs: 100 }] })
}

export async function rolledBack(scene: Scene, ship: string): Promise<void> {
  await scene.run(`${ship} rollback -e production`, { answers: [{ when: '[y/N]', type: 'y\n', afterMs: 100 }] })
  await scene.run(`${ship} status -e production`)
  await scene.run(`${ship} history -e production`)
}

/** A start script that takes the place of a service manager: it ends the app of the release before, and starts this one. */
export function restartScript(command: string): string {
  return `#!/bin/sh
# Ends the app of the release before and starts this one.
pid=$SHIP_DEPLOY_TO/app.pid
[ -s "$pid" ] && kill "$(cat "$pid")" && sleep 0.5
cd "$(pwd -P)" || exit 1
setsid ${command} >"$SHIP_DEPLOY_TO/app.log" 2>&1 </dev/null &
echo $! >"$pid"
`
}

/** Ends the app that the script started. */
export function endApp({ deployTo }: Scene): void {
  try {
    process.kill(Number(readFileSync(join(deployTo, 'app.pid'), 'utf8')), 'SIGTERM')
  } catch {
    // None was started, or it ended by itself.
  }
}
