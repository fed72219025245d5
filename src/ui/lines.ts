/**
 * Plain lines on stderr, for pipes and logs: one line per step and host when it ends, and a sign of life every five seconds while
 * long work goes on. A run over many hosts says how many are through rather than a line for each that is not.
 */
import type { Event } from '../events.ts'
import { escapeControls } from '../names.ts'
import { board, sectionText, stateText, type Board, type Row } from './board.ts'
import { writeEnding } from './ending.ts'
import { duration } from './measure.ts'
import { logLines, tails } from './logs.ts'
import type { Renderer, Screen } from './renderer.ts'
import { wrapped } from './wrap.ts'

const SIGN_OF_LIFE_MS = 5000
/** Work without progress to tell says that it is still at it, less often. */
const STILL_RUNNING_MS = 30_000
const MANY_HOSTS = 8
const STEP_WIDTH = 13

export interface LinesOptions {
  /** Called before the first line of every step, for groups. */
  readonly onSection?: (step: string) => void
  /** Told instead of the plain line. */
  readonly onWarning?: (event: Extract<Event, { readonly event: 'warning' }>) => void
}

export function linesRenderer(screen: Screen, options: LinesOptions = {}): Renderer {
  const state = board()
  const kept = tails()
  const write = (line: string): void => screen.err.write(`${line}\n`)
  const told = new Map<Row, number>()
  const timer = setInterval(() => {
    for (const line of signsOfLife(state, told, screen.now())) write(line)
  }, SIGN_OF_LIFE_MS)
  timer.unref()
  const end = (row: Row): void => {
    write(finishedLine(row, screen))
    if (row.state === 'failed' && !screen.verbose) {
      for (const line of kept.take(row.step, row.host)) write(`    ${screen.errStyle.dim(line)}`)
    }
  }
  return {
    emit(event) {
      if (event.event === 'log' && event.stream !== undefined) {
        for (const line of logLines(event)) write(prefixed(event.step, event.host, `| ${line}`))
      } else if (event.event === 'log') {
        kept.add(event)
        if (screen.verbose) for (const line of logLines(event)) write(prefixed(event.step, event.host, `| ${line}`))
      } else if (event.event === 'warning') {
        if (options.onWarning) options.onWarning(event)
        else for (const line of warningLines(event, screen)) write(line)
      } else {
        const change = state.apply(event, screen.now())
        if (!change) return
        if (change.what === 'section') options.onSection?.(change.section.step)
        if (change.what === 'end') end(change.row)
      }
    },
    settle: () => Promise.resolve(),
    end: (ending) => {
      clearInterval(timer)
      if (screen.verbose) for (const line of timesLines(state, screen)) write(line)
      writeEnding(ending, screen)
      return Promise.resolve()
    },
    abandon: () => clearInterval(timer),
  }
}

/** "warning: web01: ..." and what to do about it. */
export function warningLines(event: Extract<Event, { readonly event: 'warning' }>, screen: Screen): readonly string[] {
  const place = event.host === undefined ? '' : `${escapeControls(event.host)}: `
  const width = screen.err.isTTY ? screen.err.columns : Number.POSITIVE_INFINITY
  return [
    ...wrapped(`${screen.errStyle.yellow('warning:')} ${place}${escapeControls(event.message)}`, width),
    ...(event.details ?? []).flatMap((line) => wrapped(`  ${escapeControls(line)}`, width)),
    ...(event.next ?? []).map(
      (next) => `  ${screen.errStyle.dim('next: ')} ${screen.errStyle.cyan(escapeControls(next))}`,
    ),
  ]
}

/** Lines for work that runs longer than people like to wait in silence; `told` remembers when each row spoke last. */
function signsOfLife(state: Board, told: Map<Row, number>, now: number): readonly string[] {
  return state.sections
    .filter((section) => section.open)
    .flatMap((section) => {
      const running = [...section.rows, ...(section.own ? [section.own] : [])].filter((r) => r.state === 'running')
      const due = running.filter((row) => now - (told.get(row) ?? row.startedAt) >= waitOf(row))
      for (const row of due) told.set(row, now)
      if (due.length === 0) return []
      if (section.rows.length > MANY_HOSTS) return [sectionText(section, now)]
      return due.map((row) => {
        const text = row.progress ? stateText(row, now) : `still running after ${duration(now - row.startedAt)}`
        return prefixed(row.step, row.host, text)
      })
    })
}

function waitOf(row: Row): number {
  // The timer is not exact: a row that is due within half a period is due now.
  return (row.progress ? SIGN_OF_LIFE_MS : STILL_RUNNING_MS) - SIGN_OF_LIFE_MS / 2
}

/** How long each step took, for who asked for more: of many hosts, from the first that began to the last that ended. */
function timesLines({ sections }: Board, { errStyle }: Screen): readonly string[] {
  const steps = sections.map(({ step, own, rows }) => {
    const all = [...rows, ...(own ? [own] : [])]
    const from = Math.min(...all.map((row) => row.startedAt))
    return { step, took: Math.max(...all.map((row) => row.startedAt + row.durationMs)) - from }
  })
  if (steps.length < 2) return []
  return [
    errStyle.dim(
      prefixed(
        'times',
        undefined,
        steps.map(({ step, took }) => `${escapeControls(step)} ${duration(took)}`).join(', '),
      ),
    ),
  ]
}

function finishedLine(row: Row, screen: Screen): string {
  const text = escapeControls(stateText(row, screen.now()))
  if (row.state === 'failed') return prefixed(row.step, row.host, `${screen.errStyle.red('failed:')} ${text}`)
  return prefixed(row.step, row.host, text === '' ? 'ok' : row.state === 'done' ? `ok ${text}` : text)
}

function prefixed(step: string, host: string | undefined, text: string): string {
  const name = escapeControls(step).padEnd(STEP_WIDTH)
  return host === undefined ? `${name} ${text}` : `${name} ${escapeControls(host)}: ${text}`
}
