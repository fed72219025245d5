/** Shipit with shipit-deploy, from the registry into a folder of its own. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Contender } from './contender.ts'
import type { Place } from './place.ts'

const VERSIONS = { 'shipit-cli': '5.3.0', 'shipit-deploy': '5.3.0' }

export const shipit: Contender = {
  name: 'shipit',
  title: 'Shipit',
  how: '`shipit production deploy`, `rollback`; `rsyncFrom` the same tree, so without its git fetch and checkout on this side; copies the release before on the host first',
  checks: { lock: 'no', digest: "rsync's own, of files it sends", sync: 'no', gate: 'no', back: 'no' },
  needs: { rsync: 'rsync', git: 'git' },
  adds: ['REVISION'],
  async setUp(place, app) {
    const dir = home(place)
    mkdirSync(dir)
    writeFileSync(join(dir, 'package.json'), JSON.stringify({ private: true, dependencies: VERSIONS }))
    const options = ['--no-audit', '--no-fund', '--loglevel=error']
    await place.run(['npm', 'install', ...options], { cwd: dir, asUser: true })
    const settings = {
      workspace: app.repository,
      keepWorkspace: true,
      shallowClone: false,
      branch: 'main',
      keepReleases: 5,
    }
    const text = `module.exports = (shipit) => {
  require('shipit-deploy')(shipit)
  const { TREE: rsyncFrom, DEPLOY_TO: deployTo } = process.env
  shipit.initConfig({
    default: { ...${JSON.stringify(settings)}, rsyncFrom, deployTo },
    production: { servers: '${place.user}@web1' },
  })
}
`
    writeFileSync(join(dir, 'shipitfile.js'), text)
  },
  prepare: ({ tree }, _place, app) => app.serve(tree),
  async run({ step, tree, deployTo }, place) {
    const env = { TREE: tree, DEPLOY_TO: deployTo }
    const task = step === 'rollback' ? 'rollback' : 'deploy'
    await place.run([join(home(place), 'node_modules/.bin/shipit'), 'production', task], { cwd: home(place), env })
  },
  version: () => Promise.resolve(`shipit-cli ${VERSIONS['shipit-cli']}, shipit-deploy ${VERSIONS['shipit-deploy']}`),
}

function home(place: Place): string {
  return join(place.dir, 'shipit')
}
