/** `ship prune`: frees disk by the same rule as the end of a release. */
import { pruneHosts, type Pruned } from '../release/upkeep.ts'
import { count } from '../ui/measure.ts'
import { size } from '../size.ts'
import type { View } from '../ui/renderer.ts'
import { table, type Cell } from '../ui/table.ts'
import type { RunCommand } from './command.ts'
import { mayTouch, nothingDone } from './production.ts'
import { chosenEnvironment } from './project.ts'

const COLUMNS = [{ title: 'HOST' }, { title: 'REMOVED', shrink: true }, { title: 'FREED', align: 'right' }] as const

export const run: RunCommand = async (input, context) => {
  const environment = await chosenEnvironment(input, context)
  if (!(await mayTouch(environment, 'remove releases beyond "keep" from', context))) return nothingDone()
  const hosts = await pruneHosts(environment, context.io)
  return { data: { environment: environment.name, hosts }, text: (view) => prunedLines(hosts, view) }
}

function prunedLines(hosts: readonly Pruned[], view: View): readonly string[] {
  const rows = hosts.map((h): Cell[] => [
    h.host,
    h.removed.join(', ') || 'nothing',
    h.freedBytes > 0 ? size(h.freedBytes) : '',
  ])
  const kept = hosts.flatMap((h) => h.kept.map((k) => `${h.host}: ${k.version} stayed: ${k.why}`))
  const removed = hosts.reduce((sum, h) => sum + h.removed.length, 0)
  const freed = hosts.reduce((sum, h) => sum + h.freedBytes, 0)
  const closing = removed === 0 ? 'nothing to remove' : `${count(removed, 'release')} removed, ${size(freed)} freed`
  return [...table(COLUMNS, rows, view), ...kept.map((line) => view.style.yellow(line)), view.style.bold(closing)]
}
