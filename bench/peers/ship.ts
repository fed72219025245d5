/** ship itself: from its package, installed as a user has it, and in variants that stand beside it. */
import { mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { App } from './app.ts'
import type { Contender } from './contender.ts'
import type { Place } from './place.ts'

const CHECKOUT = join(import.meta.dirname, '../..')
const GATE = [{ exec: 'test -s package.json' }]

interface Variant {
  readonly name: string
  readonly title: string
  readonly how: string
  readonly settings: Readonly<Record<string, unknown>>
  readonly checkout?: boolean
  readonly once?: boolean
}

const HOW =
  '`ship release VERSION`, `ship rollback`; the bundle (tar.zst) is built before the clock starts, its sources lie where it was built, and who releases released the one before too, with the same configuration; settings are the defaults'

export const ships: readonly Contender[] = [
  {
    name: 'ship',
    title: 'ship',
    how: `${HOW}, with one health check that runs a program on the host; from the npm package, installed`,
    settings: { health: GATE },
  },
  { name: 'ship-bare', title: 'ship, no health check', how: 'the same without the check', settings: {} },
  {
    name: 'ship-hardlink',
    title: "ship, `reuse: 'hardlink'`",
    how: 'the same as ship, with hard links between releases, as --link-dest makes them',
    settings: { health: GATE, reuse: 'hardlink' },
  },
  {
    name: 'ship-checkout',
    title: 'ship from a checkout',
    how: 'the same as ship, run by `bin/ship.js` of the sources (types stripped by Node, compiled code kept)',
    settings: { health: GATE },
    checkout: true,
    once: true,
  },
].map(contender)

/** Seconds that each build took, for the report. */
export const buildSeconds: number[] = []

function contender({ name, title, how, settings, checkout = false, once = false }: Variant): Contender {
  const ship = async (place: Place, args: readonly string[]): Promise<string> => {
    const program = checkout ? [join(place.bin, 'node'), join(CHECKOUT, 'bin/ship.js')] : [installed(place)]
    const env = { SHIP_SSH_CONFIG: place.sshConfigFile }
    return place.run([...program, ...args], { cwd: project(place, name), env })
  }
  return {
    name,
    title,
    how,
    once,
    checks: {
      lock: 'yes, with owner and lease',
      digest: 'SHA-256 of every file, on the host',
      sync: 'yes',
      gate: 'health' in settings ? 'yes' : 'none set',
      back: 'yes',
    },
    needs: {},
    async setUp(place, app) {
      await installOnce(place)
      mkdirSync(project(place, name))
      await buildOnce(place, app, name)
    },
    prepare: ({ deployTo, tree }, place) => {
      const sources = join(project(place, name), 'sources')
      rmSync(sources, { force: true })
      symlinkSync(tree, sources)
      // As a project has it: the same configuration each time, beside the sources of what was built last.
      configure(place, name, { from: 'sources', deployTo, settings })
      return Promise.resolve()
    },
    async run({ step, tree }, place, app) {
      const version = versionOf(tree, app)
      await ship(place, step === 'rollback' ? ['rollback', '-e', 'bench'] : ['release', version, '-e', 'bench'])
    },
    version: async (place) => `ship ${(await ship(place, ['--version'])).trim()}`,
  }
}

function versionOf(tree: string, app: App): string {
  return `1.0.${app.trees.indexOf(tree)}`
}

function project(place: Place, name: string): string {
  return join(place.dir, `project-${name}`)
}

function installed(place: Place): string {
  return join(place.dir, 'user/node_modules/.bin/ship')
}

function configure(
  place: Place,
  name: string,
  { from = '.', deployTo = '/opt/registry', settings }: { from?: string; deployTo?: string; settings: object },
): void {
  const config = {
    name: 'registry',
    build: { from, formats: ['tar.zst'], cache: false },
    environments: { bench: { hosts: [{ host: 'web1', deployTo }], ...settings } },
  }
  writeFileSync(join(project(place, name), 'ship.config.json'), JSON.stringify(config))
}

let packed: Promise<void> | undefined

/** `npm pack` compiles the package; `npm install` of the file is what a user does. */
function installOnce(place: Place): Promise<void> {
  packed ??= (async () => {
    const user = join(place.dir, 'user')
    mkdirSync(user)
    await place.run(['npm', 'pack', '--loglevel=error', '--pack-destination', user], { cwd: CHECKOUT, asUser: true })
    const file = readdirSync(user).find((entry) => entry.endsWith('.tgz')) ?? ''
    writeFileSync(join(user, 'package.json'), JSON.stringify({ private: true }))
    const options = ['--no-audit', '--no-fund', '--loglevel=error']
    await place.run(['npm', 'install', ...options, join(user, file)], { cwd: user, asUser: true })
  })()
  return packed
}

let built: Promise<string> | undefined

/** All variants release the same bundles. */
async function buildOnce(place: Place, app: App, name: string): Promise<void> {
  built ??= (async () => {
    for (const tree of app.trees) {
      configure(place, name, { from: tree, settings: {} })
      const started = performance.now()
      await place.run([installed(place), 'build', '--version', versionOf(tree, app)], { cwd: project(place, name) })
      buildSeconds.push((performance.now() - started) / 1000)
    }
    return join(project(place, name), 'dist')
  })()
  const dist = await built
  if (dist !== join(project(place, name), 'dist')) await place.run(['cp', '-a', dist, project(place, name)])
}
