/** Capistrano as `cap install` sets it up: its git plugin, the repository served by ssh from this side through the link. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Contender } from './contender.ts'
import { firstLine } from './scripts.ts'

export const capistrano: Contender = {
  name: 'capistrano',
  title: 'Capistrano',
  how: '`cap production deploy`, `deploy:rollback` (which also archives the release it leaves); the host fetches from a git repository on this side, packages committed',
  checks: { lock: 'no', digest: "git's own, of what it fetches", sync: 'no', gate: 'no', back: 'no' },
  needs: { cap: 'capistrano', git: 'git' },
  adds: ['REVISION'],
  setUp(place, app) {
    const dir = join(place.dir, 'capistrano')
    mkdirSync(join(dir, 'config/deploy'), { recursive: true })
    const capfile = [
      'require "capistrano/setup"',
      'require "capistrano/deploy"',
      'require "capistrano/scm/git"',
      'install_plugin Capistrano::SCM::Git',
    ]
    const deploy = [
      'set :application, "registry"',
      `set :repo_url, "ssh://source${app.repository}"`,
      'set :branch, "main"',
      'set :deploy_to, ENV.fetch("DEPLOY_TO")',
      `set :tmp_dir, "${place.root}/tmp"`,
      // As the host's own ssh configuration would be.
      `set :default_env, { "GIT_SSH_COMMAND" => "ssh -F ${place.hostSshConfigFile}" }`,
    ]
    const stage = [
      `server "web1", user: "${place.user}", roles: %w[app], ssh_options: { config: ["${place.sshConfigFile}"] }`,
    ]
    for (const [file, lines] of [
      ['Capfile', capfile],
      ['config/deploy.rb', deploy],
      ['config/deploy/production.rb', stage],
    ] as const)
      writeFileSync(join(dir, file), `${lines.join('\n')}\n`)
    return Promise.resolve()
  },
  prepare: ({ tree, step }, _place, app) => (step === 'rollback' ? Promise.resolve() : app.serve(tree)),
  async run({ step, deployTo }, place) {
    const task = step === 'rollback' ? 'deploy:rollback' : 'deploy'
    await place.run(['cap', 'production', task], { cwd: join(place.dir, 'capistrano'), env: { DEPLOY_TO: deployTo } })
  },
  version: async (place) => firstLine(await place.run(['cap', '--version'])),
}
