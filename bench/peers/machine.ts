/** The programs that the comparison needs, installed where they are missing; and the machine, in words for the report. */
import { existsSync, readFileSync } from 'node:fs'
import { cpus, loadavg, release, totalmem } from 'node:os'
import type { Contender } from './contender.ts'
import type { Place } from './place.ts'

/** Installs Debian packages of programs that are missing. Rejects when that fails: it needs root and apt-get. */
export async function installMissing(contenders: readonly Contender[], place: Place): Promise<void> {
  const wanted = contenders.flatMap(({ needs }) => Object.entries(needs))
  const missing = new Set(wanted.filter(([program]) => isMissing(program)).map(([, debian]) => debian))
  if (missing.size === 0) return
  console.log(`installing for the comparison: ${[...missing].join(' ')}`)
  // In run level 1 no service of a package is started.
  const options = { asUser: true, env: { DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' } }
  const install = ['apt-get', 'install', '-y', '-q', '--no-install-recommends', ...missing]
  await place.run(['apt-get', 'update', '-q'], options)
  await place.run(install, options)
}

function isMissing(program: string): boolean {
  return !['/usr/bin', '/usr/local/bin', '/bin', '/usr/sbin'].some((dir) => existsSync(`${dir}/${program}`))
}

/** One line each. */
export async function describeMachine(place: Place): Promise<string[]> {
  const [cpu] = cpus()
  const os = /PRETTY_NAME="(.*)"/.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'unknown system'
  const [type] = (await place.run(['df', '--output=fstype', place.dir])).trim().split('\n').slice(-1)
  return [
    `${cpus().length} x ${cpu?.model.trim() ?? 'unknown processor'}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB, ${os}, Linux ${release()}, Node ${process.version.slice(1)}`,
    `both ends of the link are this machine; the files lie on ${type ?? 'an unknown file system'}, ${place.disk}`,
  ]
}

/** Of the last minute. */
export function load(): number {
  return loadavg()[0] ?? Number.NaN
}

/** What to say of figures that were taken when others used the machine; undefined when nobody did. */
export function busyWarning(loadBefore: number): string | undefined {
  if (loadBefore < cpus().length / 2) return undefined
  return `Others used the machine (load ${loadBefore.toFixed(1)} before the first step): take these figures for a trial of the bench, not for results.`
}
