/**
 * The action as the runner starts it: one file in a folder without anything else, inputs as variables, and the files of the runner. The
 * hosts are real sshd, reached by address, and nothing on the machine knows them.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { actionBundle } from '../../tools/bundle.ts'
import { runNode, type ShipOptions, type ShipResult } from '../support/cli.ts'
import { startFleet, type Fleet } from '../support/fleet.ts'
import { makeShop, type Shop } from '../stories/shop.ts'

export interface Step extends ShipResult {
  readonly outputs: Readonly<Record<string, string>>
  readonly summary: string
  /** All that stays of the run but what the runner takes out itself: the lines of `::add-mask::`. */
  readonly seen: string
  /** `::error` lines, unescaped. */
  readonly errors: readonly string[]
  /** What is left in RUNNER_TEMP. */
  readonly left: readonly string[]
}

export interface Runner {
  readonly fleet: Fleet
  readonly shop: Shop
  readonly deployTo: readonly string[]
  /** The inputs that reach the hosts. */
  readonly ssh: Readonly<Record<string, string>>
  configure(release?: Readonly<Record<string, unknown>>, more?: Readonly<Record<string, unknown>>): Promise<void>
  step(inputs: Readonly<Record<string, string>>, options?: ShipOptions): Promise<Step>
  fresh(): Promise<void>
  dispose(): Promise<void>
}

export async function makeRunner(size = 2): Promise<Runner> {
  const dir = mkdtempSync(join(tmpdir(), 'ship-action-'))
  const fleet = await startFleet(size)
  const action = join(dir, 'action')
  mkdirSync(action)
  writeFileSync(join(action, 'index.js'), (await actionBundle()).code)
  let shop = await makeShop(join(dir, 'shop'))
  let turn = 0
  const deployTo: string[] = []
  const runner: Runner = {
    fleet,
    get shop() {
      return shop
    },
    deployTo,
    ssh: {
      'ssh-private-key': readFileSync(fleet.keyFile, 'utf8'),
      'known-hosts': readFileSync(fleet.knownHostsFile, 'utf8'),
    },
    configure: (release = {}, more = {}) =>
      shop.configure({
        name: 'shop',
        build: { from: 'app' },
        release,
        environments: {
          production: {
            hosts: fleet.hosts.map(({ address, port, user }, i) => ({
              host: address,
              port,
              user,
              deployTo: deployTo[i],
            })),
          },
        },
        ...more,
      }),
    async step(inputs, options = {}) {
      turn += 1
      const files = join(dir, `step-${turn}`)
      const [temp, home, output, summary] = ['temp', 'home', 'output', 'summary'].map((name) => join(files, name))
      for (const folder of [temp, home]) mkdirSync(folder ?? '', { recursive: true })
      for (const file of [output, summary]) writeFileSync(file ?? '', '')
      const given = Object.entries(inputs).map(([name, value]) => [`INPUT_${name.toUpperCase()}`, value])
      const result = await runNode([join(action, 'index.js')], {
        cwd: shop.dir,
        ...options,
        env: {
          GITHUB_ACTIONS: 'true',
          GITHUB_ACTOR: 'ada',
          GITHUB_WORKSPACE: shop.dir,
          GITHUB_OUTPUT: output ?? '',
          GITHUB_STEP_SUMMARY: summary ?? '',
          GITHUB_ENV: join(files, 'env'),
          RUNNER_TEMP: temp ?? '',
          HOME: home ?? '',
          ...Object.fromEntries(given),
          ...options.env,
        },
      })
      const texts = [output, summary].map((file) => readFileSync(file ?? '', 'utf8'))
      const log = `${result.stdout}\n${result.stderr}`.split('\n').filter((line) => !line.startsWith('::add-mask::'))
      return {
        ...result,
        outputs: outputsIn(texts[0] ?? ''),
        summary: texts[1] ?? '',
        seen: [...log, ...texts].join('\n'),
        errors: log
          .filter((line) => line.startsWith('::error'))
          .map((line) => line.replaceAll('%0A', '\n').replaceAll('%25', '%')),
        left: existsSync(temp ?? '') ? readdirSync(temp ?? '') : [],
      }
    },
    async fresh() {
      turn += 1
      shop = await makeShop(join(dir, `shop ${turn}`))
      deployTo.splice(0, deployTo.length, ...fleet.hosts.map(({ root }) => join(root, `shop ${turn}`)))
      await runner.configure()
    },
    async dispose() {
      await fleet.dispose()
      rmSync(dir, { recursive: true, force: true })
    },
  }
  await runner.fresh()
  return runner
}

/** As the runner reads the file: `name<<end`, lines, `end`. */
function outputsIn(text: string): Readonly<Record<string, string>> {
  const found = [...text.matchAll(/^([a-z-]+)<<(\w+)\n([\s\S]*?)\n\2$/gm)]
  return Object.fromEntries(found.map(([, name = '', , value = '']) => [name, value]))
}
