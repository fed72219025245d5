/** `ship verify`: every byte of a bundle against its manifest, or with `-e` what runs on the hosts against theirs. */
import { ShipError } from '../errors.ts'
import { verifyHosts, type HostVerification } from '../release/status.ts'
import { count } from '../ui/measure.ts'
import type { View } from '../ui/renderer.ts'
import { table, type Cell } from '../ui/table.ts'
import type { Answer, Context, Input, RunCommand } from './command.ts'
import { noneReached, unreachedLines } from './hosts-answer.ts'
import { chosenEnvironment, chosenFile, checkBundle } from './project.ts'

const COLUMNS = [{ title: 'HOST' }, { title: 'VERSION' }, { title: 'PROBLEM' }, { title: 'PATH' }] as const

export const run: RunCommand = async (input, context) => {
  if (context.environment !== undefined) return verifyEnvironment(input, context)
  const bundle = await chosenFile(input.args[0], context)
  await checkBundle(bundle, context)
  const { name, version, entries } = bundle.manifest
  return {
    data: { name, version, digest: bundle.digest, archive: bundle.archive, entries: entries.length },
    text: () => [`${name} ${version} is whole: ${count(entries.length, 'entry', 'entries')}, digest ${bundle.digest}`],
  }
}

async function verifyEnvironment(input: Input, context: Context): Promise<Answer> {
  if (input.args[0] !== undefined) throw new ShipError('usage', 'give an artifact or -e, not both')
  const environment = await chosenEnvironment(input, context)
  const hosts = await verifyHosts(environment, context.io)
  const drifted = hosts.filter((h) => h.drift.length > 0)
  const error =
    drifted.length === 0
      ? noneReached(hosts)
      : new ShipError(
          'differs',
          `${count(drifted.length, 'host')} of ${hosts.length} run files that were not released`,
          {
            next: ['find out who changed them, then: ship release (it stages a changed release anew)'],
          },
        )
  return { data: { environment: environment.name, hosts }, text: (view) => driftLines(hosts, view), error }
}

function driftLines(hosts: readonly HostVerification[], view: View): readonly string[] {
  const rows = hosts.flatMap((h) =>
    h.drift.map((d): Cell[] => [h.host, h.version ?? '', { text: d.problem, paint: 'red' }, d.path]),
  )
  const whole = hosts.filter((h) => !h.error && h.version !== undefined && h.drift.length === 0)
  const without = hosts.filter((h) => !h.error && h.version === undefined)
  return [
    ...table(COLUMNS, rows, view),
    ...unreachedLines(hosts, view),
    ...(whole.length > 0
      ? [`${whole.map((h) => `${h.host} ${h.version ?? ''}`).join(', ')}: every file is as it was released`]
      : []),
    ...(without.length > 0 ? [`${without.map((h) => h.host).join(', ')}: nothing of ship is live`] : []),
  ]
}
