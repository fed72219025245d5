/**
 * `ship demo`: the main job on this machine, told by the commands that a user would type. Every line of it is a real run of ship
 * in a temporary project; the hosts are folders.
 */
import { spawn } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ShipError, throwIfAborted } from '../errors.ts'
import type { Answer, Context, Input } from './command.ts'

const HOSTS = ['web1', 'web2', 'web3']
/** The fixture stands beside `src` in a checkout and beside `dist` in the package. */
const FIXTURE = ['../../fixtures/node-app', '../../../fixtures/node-app'].map((path) => join(import.meta.dirname, path))

interface Act {
  readonly says: string
  readonly args: readonly string[]
  /** What the command must end with for the demo to go on. */
  readonly code: number
  /** Changes the sources before it. */
  readonly edit?: (project: string) => Promise<void>
}

const ACTS: readonly Act[] = [
  { says: 'build version 1.0.0 of a small web app', args: ['build'], code: 0 },
  { says: 'release it to three hosts, each checked over HTTP', args: ['release', '--yes'], code: 0 },
  {
    says: 'build and release 1.1.0',
    args: ['build', '--version', '1.1.0'],
    code: 0,
    edit: (p) => setVersion(p, '1.1.0'),
  },
  { says: '', args: ['release', '--yes'], code: 0 },
  { says: 'build 1.2.0, which answers 500', args: ['build', '--version', '1.2.0'], code: 0, edit: breakApp },
  { says: 'release it: the gate fails, and every host goes back by itself', args: ['release', '--yes'], code: 6 },
  { says: 'what runs now', args: ['status'], code: 0 },
  { says: 'and one command goes back further', args: ['rollback', '--yes'], code: 0 },
  { says: '', args: ['history'], code: 0 },
]

export async function run(_input: Input, context: Context): Promise<Answer> {
  await context.settle()
  const home = await mkdtemp(join(tmpdir(), 'ship-demo-'))
  const project = join(home, 'shop')
  try {
    await makeProject(home, project)
    for (const act of ACTS) {
      throwIfAborted(context.io.signal)
      await act.edit?.(project)
      if (act.says !== '') context.say(({ bold }) => ['', bold(`# ${act.says}`)])
      context.say(({ dim }) => [dim(`$ ship ${act.args.join(' ')}`)])
      const code = await ship(act.args, project, context.io.signal)
      if (code !== act.code)
        throw new ShipError('build', `"ship ${act.args.join(' ')}" ended with ${code}, not ${act.code}`)
      if (code !== 0) context.say(({ dim }) => [dim(`(exit code ${code})`)])
    }
    return { data: { hosts: HOSTS }, text: () => ['', 'That was all of it, on real files. Next: ship --help'] }
  } finally {
    await stopApps(home)
    await rm(home, { recursive: true, force: true })
  }
}
