/** The figures as Markdown. */
import { STEPS, type Contender, type StepName } from './contender.ts'
import type { Traffic } from './place.ts'

export interface Sample extends Traffic {
  readonly round: number
  readonly seconds: number
}

export interface Row {
  readonly contender: Contender
  readonly samples: Readonly<Record<StepName, readonly Sample[]>>
}

const TITLES: Readonly<Record<StepName, string>> = {
  first: 'first release',
  next: 'next release, small change',
  noop: 'no-op: the same again',
  clean: 'next release, clean checkout',
  rollback: 'rollback',
}

interface Target {
  readonly ours: string
  readonly theirs: string
  readonly step: StepName
  readonly most?: number
}

/** Those with a figure are promised; the others stand beside them. */
const TARGETS: readonly Target[] = [
  { ours: 'ship', theirs: 'rsync', step: 'next', most: 0.5 },
  { ours: 'ship', theirs: 'rsync-z', step: 'next', most: 0.5 },
  { ours: 'ship', theirs: 'capistrano', step: 'next', most: 0.2 },
  { ours: 'ship', theirs: 'ssh', step: 'rollback', most: 1.3 },
  { ours: 'ship', theirs: 'rsync', step: 'clean' },
  { ours: 'ship', theirs: 'rsync-z', step: 'first' },
  { ours: 'ship', theirs: 'tar', step: 'first' },
  { ours: 'ship', theirs: 'ssh', step: 'noop' },
  { ours: 'ship-bare', theirs: 'rsync', step: 'next' },
  { ours: 'ship-bare', theirs: 'capistrano', step: 'next' },
  { ours: 'ship-bare', theirs: 'ssh', step: 'rollback' },
]

/**
 * @param conditions one line each
 * @param warning what makes the figures doubtful, if anything does
 */
export function reportOf(rows: readonly Row[], conditions: readonly string[], warning?: string): string {
  const perStep = (cell: (samples: readonly Sample[]) => string): string =>
    table(
      ['', ...STEPS.map((step) => TITLES[step])],
      rows.map(({ contender, samples }) => [contender.title, ...STEPS.map((step) => cell(samples[step]))]),
    )
  const rounds = Math.max(...rows.flatMap(({ samples }) => samples.next.length))
  const medianOf = (pick: (one: Sample) => number, digits: number) => (samples: readonly Sample[]) =>
    median(samples.map(pick)).toFixed(digits)
  return [
    '# ship beside what else there is',
    'Written by `node bench/peers.ts`; not to be edited by hand.',
    ...(warning === undefined ? [] : [`**${warning}**`]),
    `## Wall seconds\n\nMedians of ${rounds}; the second table is from the quickest to the slowest.`,
    perStep(medianOf((one) => one.seconds, 2)),
    perStep((samples) => spread(samples.map((one) => one.seconds))),
    '## Ratios\n\nMedians of the ratios within a round, so that they may differ a little from those of the medians above.',
    ratios(rows),
    '## Over the link\n\nMegabytes to the host / from the host, and TCP connections, medians.',
    perStep(
      (samples) =>
        `${mega(samples.map((one) => one.up))} / ${mega(samples.map((one) => one.down))}, ` +
        `${median(samples.map((one) => one.connections))}`,
    ),
    '## What each does besides',
    table(
      ['', 'lock', 'digest', 'sync to disk', 'health check', 'returns by itself'],
      rows.map(({ contender: { title, checks } }) => [title, ...Object.values(checks)]),
    ),
    '## Conditions',
    conditions.map((line) => `- ${line}`).join('\n'),
    'How each is used:',
    rows.map(({ contender: { title, how } }) => `- ${title}: ${how}`).join('\n'),
  ]
    .join('\n\n')
    .concat('\n')
}

function ratios(rows: readonly Row[]): string {
  const find = (name: string) => rows.find(({ contender }) => contender.name === name)
  const lines = TARGETS.flatMap(({ ours, theirs, step, most }) => {
    const [a, b] = [find(ours), find(theirs)]
    if (!a || !b) return []
    const ratio = ratioOf(a.samples[step], b.samples[step])
    const verdict = most === undefined ? '' : ratio <= most ? 'met' : '**missed**'
    const what = `${a.contender.title} / ${b.contender.title}, ${TITLES[step]}`
    return [[what, ratio.toFixed(2), most === undefined ? '' : `at most ${most}`, verdict]]
  })
  return lines.length === 0 ? 'None: those that are compared were not run.' : table(['', 'ratio', 'target', ''], lines)
}

/** Of the same round each, where both have one. */
function ratioOf(ours: readonly Sample[], theirs: readonly Sample[]): number {
  const pairs = ours.flatMap((a) => theirs.filter((b) => b.round === a.round).map((b) => a.seconds / b.seconds))
  return median(pairs)
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = (sorted.length - 1) / 2
  return ((sorted[Math.floor(middle)] ?? Number.NaN) + (sorted[Math.ceil(middle)] ?? Number.NaN)) / 2
}

function spread(values: readonly number[]): string {
  return `${Math.min(...values).toFixed(2)} to ${Math.max(...values).toFixed(2)}`
}

function mega(bytes: readonly number[]): string {
  const value = median(bytes) / 1e6
  return value.toFixed(value < 1 ? 3 : 1)
}
