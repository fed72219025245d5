/** A plan as people read it before they say yes: what happens on each host, then what is common to many told once. */
import type { HostPlan, Plan } from '../release/plan.ts'
import { count, duration } from '../ui/measure.ts'
import { size } from '../size.ts'
import type { View } from '../ui/renderer.ts'
import { table, type Cell } from '../ui/table.ts'
import { hostRows } from './host-rows.ts'

const DOES = {
  stage: 'send and switch',
  reuse: 'check and switch',
  resume: 'gate only',
  none: 'nothing',
} as const satisfies Record<HostPlan['action'], string>

const COLUMNS = [
  { title: 'HOST' },
  { title: 'NOW' },
  { title: 'DOES' },
  { title: 'FILES' },
  { title: 'UNPACKED', align: 'right' },
  { title: 'WHY', shrink: true },
] as const

/** The lines of a plan. A pure function of it, so that what was shown and what runs cannot differ. */
export function planLines(plan: Plan, view: View): readonly string[] {
  const rows = hostRows(plan.hosts, { view, row: planCells, same: planCells })
  const behind = plan.behind.map((b): Cell[] => [
    b.host,
    b.runs ?? '',
    { text: b.kind === 'unreachable' ? 'left out' : 'left out, cannot take part', paint: 'red' },
    '',
    '',
    b.why,
  ])
  return [
    view.style.bold(headline(plan)),
    ...table(COLUMNS, [...rows, ...behind], view),
    ...orderLines(plan),
    ...facts(plan),
  ]
}

function planCells(p: HostPlan): Cell[] {
  return [
    p.fromVersion ?? p.from ?? 'nothing',
    p.action === 'none' ? { text: DOES.none, paint: 'dim' } : DOES[p.action],
    p.changes ? `+${p.changes.added} ~${p.changes.changed} -${p.changes.removed}` : '',
    p.treeBytes > 0 ? size(p.treeBytes) : '',
    p.why,
  ]
}

/** Waves, what must hold between them, and what may go wrong. */
function orderLines({ waves, waveRules, allowances }: Plan): readonly string[] {
  const baked = Map.groupBy(waveRules.keys(), (index) => waveRules[index]?.bakeMs ?? 0)
  const pauses = [...new Set(waveRules.map((rule) => rule.pauseMs))].filter((ms) => ms > 0)
  const may = [
    ...(allowances.failed > 0 ? [`${count(allowances.failed, 'host')} may fail`] : []),
    ...(allowances.unreachable > 0 ? [`${count(allowances.unreachable, 'host')} may be missing`] : []),
  ]
  return [
    ...(waves.length > 1 ? [`waves   ${waves.map((w) => w.join(', ')).join(' | ')}`] : []),
    ...[...baked]
      .filter(([ms]) => ms > 0)
      .map(([ms, indices]) => {
        const after = indices.length === waves.length && waves.length > 1 ? 'each wave' : waveNames(indices)
        return `bake    ${duration(ms)} after ${after}, in which the gates must hold`
      }),
    ...(pauses.length > 0 ? [`pause   ${pauses.map((ms) => duration(ms)).join(', ')} between waves`] : []),
    ...(may.length > 0 ? [`allowed ${may.join(', ')}; such a host stays behind`] : []),
  ]
}

function waveNames(indices: readonly number[]): string {
  return `wave ${indices.map((index) => index + 1).join(', ')}`
}

/** "release shop 1.4.2 to production: 3 hosts". */
export function headline(plan: Plan): string {
  const verb = plan.kind === 'rollback' ? 'roll back' : 'release'
  const waves = plan.waves.filter((w) => w.length > 0).length
  const busy = plan.hosts.filter((p) => p.action !== 'none').length
  const all = plan.hosts.length + plan.behind.length
  const hosts = busy === all ? count(busy, 'host') : `${busy} of ${count(all, 'host')}`
  const steps = waves > 1 ? ` in ${waves} waves` : ''
  return `${verb} ${plan.app} ${plan.kind === 'rollback' ? 'to ' : ''}${plan.target} ${plan.kind === 'rollback' ? 'on' : 'to'} ${plan.environment}: ${hosts}${steps}`
}

function facts(plan: Plan): readonly string[] {
  const busy = plan.hosts.filter((p) => p.action !== 'none')
  return [
    ...merged('links', busy, (p) => p.links),
    ...(busy.length === 0 ? [] : plan.local.map(({ point, title }) => `hook    ${point}: ${title}`)),
    ...merged('hook', busy, (p) => p.hooks.map((h) => `${h.point}: ${h.title}`)),
    ...merged('drain', busy, (p) => p.drains),
    ...merged('gate', busy, (p) => p.gates),
    ...merged('prunes', busy, (p) => p.prune),
    ...merged('lock', plan.hosts, (p) => (p.lock === undefined ? [] : [`${p.lock}: taken over if that run is dead`])),
  ]
}

/** One line for each value, with the hosts it concerns when not all of them. */
function merged(label: string, hosts: readonly HostPlan[], values: (plan: HostPlan) => readonly string[]): string[] {
  const concerned = new Map<string, string[]>()
  for (const plan of hosts) {
    for (const value of values(plan)) concerned.set(value, [...(concerned.get(value) ?? []), plan.host])
  }
  const same = [...concerned].filter(([, names]) => names.length === hosts.length).map(([value]) => value)
  const some = [...concerned].filter(([, names]) => names.length < hosts.length)
  const joined = label === 'hook' || label === 'gate' ? same : same.length > 0 ? [same.join(', ')] : []
  return [
    ...joined.map((value) => `${label.padEnd(7)} ${value}`),
    ...some.map(([value, names]) => `${label.padEnd(7)} ${value} (${names.join(', ')})`),
  ]
}
