/** `ship releases`: what lies on the hosts, in which state. A release that all hosts hold alike is one row. */
import { releases, type HostReleases } from '../release/status.ts'
import { ago, count } from '../ui/measure.ts'
import type { View } from '../ui/renderer.ts'
import type { Style } from '../ui/style.ts'
import { table, type Cell } from '../ui/table.ts'
import type { RunCommand } from './command.ts'
import { noneReached, unreachedLines, withCommands } from './hosts-answer.ts'
import { chosenEnvironment } from './project.ts'

type Held = HostReleases['releases'][number]

const PAINT = { staged: 'dim', live: 'yellow', verified: 'green', failed: 'red', bad: 'red' } as const satisfies Record<
  Held['state'],
  keyof Style
>

const COLUMNS = [
  { title: 'VERSION' },
  { title: 'STATE' },
  { title: '' },
  { title: 'WENT LIVE' },
  { title: 'STAGED' },
  { title: 'BY', shrink: true },
  { title: 'DIGEST' },
  { title: 'HOSTS', shrink: true },
] as const

export const run: RunCommand = async (input, context) => {
  const environment = await chosenEnvironment(input, context)
  const hosts = withCommands(await releases(environment, context.io), environment.name)
  return {
    data: { environment: environment.name, hosts },
    text: (view) => releasesLines(hosts, view),
    error: noneReached(hosts),
  }
}

interface Row {
  readonly release: Held
  readonly live: boolean
  readonly hosts: string[]
}

/** Releases that many hosts hold in the same state, once; the order is that of the first host that has them. */
export function releaseRows(hosts: readonly HostReleases[]): readonly Row[] {
  const rows = new Map<string, Row>()
  for (const { host, live, releases: held } of hosts) {
    for (const release of held) {
      const isLive = release.version === live
      const key = JSON.stringify([release.version, release.state, release.digest, release.pinned, isLive])
      const known = rows.get(key)
      if (known) known.hosts.push(host)
      else rows.set(key, { release, live: isLive, hosts: [host] })
    }
  }
  // A version is in one place, in however many states it is.
  return [...Map.groupBy(rows.values(), ({ release }) => release.version).values()].flat()
}

function releasesLines(hosts: readonly HostReleases[], view: View): readonly string[] {
  const reached = hosts.filter((h) => !h.error)
  const rows = releaseRows(hosts).map(({ release, live, hosts: on }): Cell[] => [
    live ? { text: release.version, paint: 'bold' } : release.version,
    { text: release.state, paint: PAINT[release.state] },
    [live ? 'current' : '', release.pinned ? 'pinned' : ''].filter((t) => t !== '').join(', '),
    release.liveAt === undefined ? '' : ago(release.liveAt, view.now),
    ago(release.stagedAt, view.now),
    release.by,
    release.digest.slice(0, 12),
    on.length === reached.length ? (on.length === 1 ? (on[0] ?? '') : `all ${on.length}`) : on.join(', '),
  ])
  const foreign = hosts
    .filter((h) => h.foreign.length > 0)
    .map((h) =>
      view.style.dim(`${h.host}: ${count(h.foreign.length, 'folder')} not made by ship: ${h.foreign.join(', ')}`),
    )
  const none = rows.length === 0 && reached.length > 0 ? ['no release yet'] : []
  return [...table(COLUMNS, rows, view), ...none, ...foreign, ...unreachedLines(hosts, view)]
}
