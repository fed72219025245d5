/** Tables of hosts: in the order that people count in, and on a screen with equal rows of many hosts told once. */
import { compareNames } from '../names.ts'
import { count } from '../ui/measure.ts'
import type { View } from '../ui/renderer.ts'
import type { Cell } from '../ui/table.ts'

/** More hosts than this would push what matters off the screen. */
const MANY_HOSTS = 12
const FEW_EQUAL = 3

interface Folding<T> {
  readonly view: View
  /** Cells after the name. */
  readonly row: (host: T) => Cell[]
  /** What must be equal for hosts to share a row. */
  readonly same: (host: T) => readonly unknown[]
  /** The one of hosts with equal rows whose cells are shown. */
  readonly shown?: (hosts: readonly T[]) => T | undefined
}

/** web2 before web10. */
export function inOrder<T extends { readonly host: string }>(hosts: readonly T[]): readonly T[] {
  return hosts.toSorted((a, b) => compareNames(a.host, b.host))
}

/** The rows, each with its name first. In a pipe each host has a row of its own, whatever their number. */
export function hostRows<T extends { readonly host: string }>(hosts: readonly T[], folding: Folding<T>): Cell[][] {
  const { view, row, same, shown = (equal) => equal[0] } = folding
  const sorted = inOrder(hosts)
  const single = (host: T): Cell[] => [host.host, ...row(host)]
  if (sorted.length <= MANY_HOSTS || !Number.isFinite(view.width)) return sorted.map(single)
  const groups = [...Map.groupBy(sorted, (host) => JSON.stringify(same(host))).values()]
  return groups.flatMap((equal) => {
    const one = shown(equal)
    if (equal.length <= FEW_EQUAL || !one) return equal.map(single)
    return [[count(equal.length, 'host'), ...row(one)]]
  })
}
