/** What people write by hand: rsync with --link-dest, a tarball through ssh; and the floor under all of them, `ssh host true`. */
import { join } from 'node:path'
import type { App } from './app.ts'
import type { Checks, Contender, Turn } from './contender.ts'
import type { Place } from './place.ts'

const NONE: Checks = { lock: 'no', digest: 'no', sync: 'no', gate: 'no', back: 'no' }

export const floor: Contender = {
  name: 'ssh',
  title: '`ssh host true`',
  how: 'one connection, one command that does nothing: measured beside each step',
  checks: NONE,
  needs: { ssh: 'openssh-client' },
  run: async (_turn, place) => void (await place.run(['ssh', 'web1', 'true'])),
  version: async (place) => (await place.run(['sh', '-c', 'ssh -V 2>&1'])).trim(),
}

export const rsync = byRsync({ name: 'rsync', title: 'rsync script', options: [] })
export const rsyncCompressed = byRsync({ name: 'rsync-z', title: 'rsync script, -z', options: ['-z'] })

function byRsync({ name, title, options }: { name: string; title: string; options: readonly string[] }): Contender {
  return {
    name,
    title,
    how: `\`${['rsync -a', ...options, '--link-dest=CURRENT'].join(' ')}\` into a new folder, then \`ln -s\` and \`mv -T\` by ssh; back: the two alone`,
    checks: { ...NONE, digest: "rsync's own, of files it sends" },
    needs: { rsync: 'rsync' },
    async run({ step, release, tree, deployTo }, place) {
      if (step !== 'rollback') {
        const to = `web1:${deployTo}/releases/${release}/`
        await place.run(['rsync', '-a', '--mkpath', ...options, `--link-dest=${deployTo}/current/`, `${tree}/`, to])
      }
      await place.run(['ssh', 'web1', switchTo(deployTo, release)])
    },
    version: async (place) => firstLine(await place.run(['rsync', '--version'])),
  }
}

export const tarball: Contender = {
  name: 'tar',
  title: 'tar.zst over ssh',
  how: '`ssh host "tar -x, ln -s, mv -T" < app.tar.zst`; the archive is made before the clock starts, as the bundle of ship is',
  checks: { ...NONE, digest: "zstd's own, of the stream" },
  needs: { zstd: 'zstd', tar: 'tar' },
  async setUp(place, app) {
    for (const tree of app.trees)
      await place.run(['sh', '-c', `tar -C ${tree} -cf - . | zstd -q -T0 >${archive(tree, place, app)}`])
  },
  async run({ step, release, tree, deployTo }, place, app) {
    const into = `${deployTo}/releases/${release}`
    const unpack = step === 'rollback' ? '' : `mkdir -p ${into} && zstd -dc | tar -xf - -C ${into} && `
    const input = step === 'rollback' ? '/dev/null' : archive(tree, place, app)
    await place.run(['sh', '-c', `ssh web1 '${unpack}${switchTo(deployTo, release)}' <${input}`])
  },
  version: async (place) =>
    `${firstLine(await place.run(['tar', '--version']))}, ${firstLine(await place.run(['zstd', '--version']))}`,
}

function archive(tree: string, place: Place, app: App): string {
  return join(place.dir, `state${app.trees.indexOf(tree)}.tar.zst`)
}

function switchTo(deployTo: string, release: Turn['release']): string {
  return `cd ${deployTo} && ln -s releases/${release} current.new && mv -T current.new current`
}

export function firstLine(text: string): string {
  return (text.split('\n')[0] ?? '').replaceAll(/\s+/g, ' ').trim()
}
