/**
 * What a person wants to see of a run, kept from its events: sections (one per step, in the order they began) with a row per
 * host. Both the live list and the plain lines draw from it. Knows no stream and no colour.
 *
 * A step that is told for hosts only has no end of its own: its section closes when another one begins and none of its hosts is
 * at work. A step that begins again after that (the next batch) gets a section of its own.
 */
import type { Event, Progress } from '../events.ts'
import { escapeControls } from '../names.ts'
import { count, duration, meter, progressText, type Meter } from './measure.ts'

/** One step on one host, or of the whole run (`host` undefined). */
export interface Row {
  readonly step: string
  readonly host: string | undefined
  readonly startedAt: number
  readonly title: string | undefined
  readonly meter: Meter
  state: 'running' | 'done' | 'skipped' | 'failed'
  progress: Progress | undefined
  durationMs: number
  /** What is worth saying at the end: the note, the reason of a skip, the message of an error. */
  said: string
}

export interface Section {
  readonly step: string
  own: Row | undefined
  readonly rows: Row[]
  open: boolean
}

/** What one event changed. */
export interface Change {
  readonly section: Section
  readonly row: Row
  readonly what: 'section' | 'row' | 'progress' | 'end'
  /** Sections that the event closed. */
  readonly closed: readonly Section[]
}

export interface Board {
  readonly sections: readonly Section[]
  /** Undefined for events that are no steps. */
  apply(event: Event, now: number): Change | undefined
  /** Closes what is open; rows still running stay so: their run was cut short. */
  close(): readonly Section[]
}

type StepEvent = Extract<Event, { readonly event: `step.${string}` }>

export function board(): Board {
  const sections: Section[] = []
  const closeIdle = (except: Section | undefined): Section[] => {
    const idle = sections.filter((s) => s.open && s !== except && !atWork(s))
    for (const section of idle) section.open = false
    return idle
  }
  const find = (step: string): Section | undefined => sections.findLast((s) => s.open && s.step === step)
  return {
    sections,
    apply(event, now) {
      if (!isStep(event)) return undefined
      const known = find(event.step)
      const section = known ?? { step: event.step, own: undefined, rows: [], open: true }
      if (!known) sections.push(section)
      const before = rowOf(section, event.host)
      const row = before && (before.state === 'running' || event.event !== 'step.started') ? before : fresh(event, now)
      if (row !== before) place(section, row)
      update(row, event, now)
      const ended = row.state !== 'running'
      const closed = row === before ? [] : closeIdle(section)
      if (ended && section.own === row && !atWork(section)) {
        section.open = false
        closed.push(section)
      }
      return { section, row, what: ended ? 'end' : whatOf(known, before, row), closed }
    },
    close() {
      const open = sections.filter((s) => s.open)
      for (const section of open) section.open = false
      return open
    },
  }
}

/** "web01  12 MB of 120 MB, 40.0 MB/s, 3 s left"; safe to print. `width`: of the name, so that lines stand in columns. */
export function rowText(row: Row, now: number, width = 0): string {
  return joined([row.host ?? row.title ?? row.step, stateText(row, now)], width)
}

/** One line for a step: what it is, how many hosts are through, what they said when they all said the same. */
export function sectionText(section: Section, now: number, width = 0): string {
  if (section.rows.length === 0) return section.own ? rowText(section.own, now, width) : clean(section.step)
  const name = section.own?.title ?? section.step
  const [only] = section.rows
  if (only && section.rows.length === 1 && only.state === 'failed') {
    // Its host has a line below that says why.
    return joined([name, `failed${tookText(only)}`], width)
  }
  if (only && section.rows.length === 1 && !section.open)
    return joined([name, only.host ?? '', stateText(only, now)], width)
  return joined([name, section.open ? goingOn(section) : summary(section)], width)
}

function joined([name = '', ...rest]: readonly string[], width: number): string {
  const said = rest.filter((part) => part !== '').map(clean)
  return [said.length === 0 ? clean(name) : clean(name).padEnd(width), ...said].join('  ')
}

/** How one row stands: progress while it runs; what was said and how long it took at the end. */
export function stateText(row: Row, now: number): string {
  if (row.state === 'running') {
    if (row.progress) return progressText(row.progress, row.meter.rate())
    return now - row.startedAt > 5000 ? duration(now - row.startedAt) : ''
  }
  if (row.state === 'skipped') return `skipped: ${row.said}`
  return `${row.said}${tookText(row)}`.trimStart()
}

function tookText({ durationMs }: Row): string {
  return durationMs >= 100 ? ` (${duration(durationMs)})` : ''
}

function goingOn(section: Section): string {
  const through = section.rows.filter((r) => r.state !== 'running').length
  const parts = [`${through} of ${count(section.rows.length, 'host')}`]
  const progress = section.rows.flatMap((r) => (r.progress ? [r.progress] : []))
  const unit = progress[0]?.unit
  if (unit !== undefined && progress.length > 0) {
    const known = progress.every((p) => p.total !== undefined) && progress.length === section.rows.length
    const total = known ? progress.reduce((sum, p) => sum + (p.total ?? 0), 0) : undefined
    const rates = section.rows.flatMap((r) => (r.state === 'running' ? [r.meter.rate() ?? 0] : []))
    const rate = rates.reduce((sum, r) => sum + r, 0)
    const done = progress.reduce((sum, p) => sum + p.done, 0)
    parts.push(progressText({ done, total, unit }, rate > 0 ? rate : undefined))
  }
  const failed = section.rows.filter((r) => r.state === 'failed').length
  if (failed > 0) parts.push(`${failed} failed`)
  return parts.join(', ')
}

function summary(section: Section): string {
  const done = section.rows.filter((r) => r.state === 'done')
  const failed = section.rows.filter((r) => r.state === 'failed').length
  const skipped = section.rows.filter((r) => r.state === 'skipped')
  const unfinished = section.rows.length - done.length - failed - skipped.length
  const [said, ...others] = new Set([...done, ...skipped].map((r) => r.said))
  const all = count(section.rows.length, 'host')
  const tail = said !== undefined && said !== '' && others.length === 0 ? `: ${said}` : ''
  const parts = [done.length === section.rows.length ? all : `${done.length} of ${all}`]
  // What the good ones said is not said of those that failed.
  if (failed > 0) parts.push(`${parts.pop() ?? ''}${tail}`, `${failed} failed`)
  if (skipped.length > 0) parts.push(`${skipped.length} skipped`)
  if (unfinished > 0) parts.push(`${unfinished} not finished`)
  const from = Math.min(...section.rows.map((r) => r.startedAt))
  const took = Math.max(...section.rows.map((r) => r.startedAt + r.durationMs)) - from
  return `${parts.join(', ')}${failed > 0 ? '' : tail}${took >= 100 ? ` (${duration(took)})` : ''}`
}

function isStep(event: Event): event is StepEvent {
  return event.event.startsWith('step.')
}

function atWork(section: Section): boolean {
  return section.own?.state === 'running' || section.rows.some((r) => r.state === 'running')
}

function rowOf(section: Section, host: string | undefined): Row | undefined {
  return host === undefined ? section.own : section.rows.findLast((r) => r.host === host)
}

function place(section: Section, row: Row): void {
  if (row.host === undefined) section.own = row
  else section.rows.push(row)
}

function fresh(event: StepEvent, now: number): Row {
  const title = event.event === 'step.started' ? event.title : undefined
  const common = { step: event.step, host: event.host, title, meter: meter(), progress: undefined }
  return { ...common, startedAt: now, state: 'running', durationMs: 0, said: '' }
}

function update(row: Row, event: StepEvent, now: number): void {
  switch (event.event) {
    case 'step.started':
      return
    case 'step.progress':
      row.progress = event.progress
      row.meter.add(event.progress.done, now)
      return
    case 'step.finished':
      row.state = 'done'
      row.said = event.note ?? ''
      break
    case 'step.skipped':
      row.state = 'skipped'
      row.said = event.reason
      return
    case 'step.failed':
      row.state = 'failed'
      row.said = event.error.message
  }
  row.durationMs = event.durationMs
}

function whatOf(known: Section | undefined, before: Row | undefined, row: Row): Change['what'] {
  if (!known) return 'section'
  return row === before ? 'progress' : 'row'
}

function clean(text: string): string {
  return escapeControls(text)
}
