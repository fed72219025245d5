/**
 * How many files a run on many hosts has open: every connection stays open to the end, for the switch and the way back go over it. Pure.
 * The numbers are measured by bench/fleet.ts.
 */
import { ShipError } from '../errors.ts'
import { raiseLimit } from '../open-files.ts'
import type { Host } from '../transport/transport.ts'

/** Node's own files, the terminal, the bundle, what a plan reads. */
const OWN_FILES = 45
/** Above its connection, while a host is reached: pipes of an `ssh -G`, key files, known_hosts. */
const FILES_TO_REACH = 4
/** No limit is lower than what so few hosts need. */
const FEW_HOSTS = 16

/**
 * How many hosts are reached at once, at most `wanted`: fewer when the limit of open files leaves no more room. Rejects with reason
 * `config` when it does not do for all connections and a payload's stream to each of `wanted` hosts. `limit` is asked for fleets only.
 */
export function connectionsAtOnce(hosts: readonly Host[], wanted: number, limit: () => number): number {
  if (hosts.length <= FEW_HOSTS) return wanted
  const most = limit()
  const kept = hosts.reduce((sum, { transport }) => sum + filesKept(transport), OWN_FILES)
  const needed = kept + Math.min(wanted, hosts.length)
  if (most >= needed) return Math.min(wanted, Math.floor((most - kept) / FILES_TO_REACH))
  throw new ShipError(
    'config',
    `this process may have ${most} files open, which is too few for ${hosts.length} hosts`,
    {
      details: [
        `it takes ${needed}: a connection to every host, which stays open to the end, and what is read and sent`,
      ],
      state: 'nothing was changed on any host',
      next: raiseLimit(needed),
    },
  )
}

/** One socket; with the system's ssh three pipes, and as many for a script that runs. */
function filesKept(transport: Host['transport']): number {
  return transport === 'local' ? 0 : transport === 'rsync' ? 6 : 1
}
