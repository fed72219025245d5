/** Ansible as the documentation of `deploy_helper` shows it, with `synchronize` for the files; the fastest of its documented ways. */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Contender } from './contender.ts'
import type { Place } from './place.ts'
import { firstLine } from './scripts.ts'

const DEPLOY = `- hosts: web
  gather_facts: false
  tasks:
    - community.general.deploy_helper:
        path: "{{ deploy_to }}"
        release: "{{ release }}"
    - ansible.posix.synchronize:
        src: "{{ tree }}/"
        dest: "{{ deploy_helper.new_release_path }}/"
        link_dest: ["{{ deploy_helper.current_path }}/"]
        use_ssh_args: true
    - community.general.deploy_helper:
        path: "{{ deploy_to }}"
        release: "{{ deploy_helper.new_release }}"
        state: finalize
`
const ROLLBACK = `- hosts: web
  gather_facts: false
  tasks:
    - community.general.deploy_helper:
        path: "{{ deploy_to }}"
        release: "{{ release }}"
        state: finalize
        clean: false
`

export const ansible: Contender = {
  name: 'ansible',
  title: 'Ansible',
  how: '`ansible-playbook`: deploy_helper, synchronize with link_dest, deploy_helper finalize; no facts, pipelining; back: finalize of the release before',
  checks: { lock: 'no', digest: "rsync's own, of files it sends", sync: 'no', gate: 'no', back: 'no' },
  needs: { 'ansible-playbook': 'ansible', rsync: 'rsync' },
  setUp(place) {
    const dir = home(place)
    mkdirSync(join(dir, 'cp'), { recursive: true })
    const python = 'ansible_python_interpreter=/usr/bin/python3'
    writeFileSync(join(dir, 'hosts'), `[web]\nweb1 ansible_user=${place.user} ${python}\n`)
    writeFileSync(join(dir, 'deploy.yml'), DEPLOY)
    writeFileSync(join(dir, 'rollback.yml'), ROLLBACK)
    const config = [
      '[defaults]',
      'inventory = hosts',
      `remote_tmp = ${place.root}/tmp`,
      `local_tmp = ${place.dir}/tmp`,
      '[ssh_connection]',
      'pipelining = True',
      `control_path_dir = ${dir}/cp`,
    ]
    writeFileSync(join(dir, 'ansible.cfg'), `${config.join('\n')}\n`)
    return Promise.resolve()
  },
  async run({ step, release, tree, deployTo }, place) {
    const values = JSON.stringify({ deploy_to: deployTo, release: `r${release}`, tree })
    const playbook = step === 'rollback' ? 'rollback.yml' : 'deploy.yml'
    await place.run(['ansible-playbook', playbook, '-e', values], { cwd: home(place) })
  },
  // It keeps its connection for a minute: each turn starts without one, as a person or a CI job does.
  async settle(place) {
    const sockets = readdirSync(join(home(place), 'cp')).map((name) => join(home(place), 'cp', name))
    for (const socket of sockets) await place.run(['ssh', '-o', `ControlPath=${socket}`, '-O', 'exit', 'web1'])
  },
  version: async (place) => firstLine(await place.run(['ansible', '--version'])),
}

function home(place: Place): string {
  return join(place.dir, 'ansible')
}
