/**
 * Everything that a run said, in a file of its own that is named when the run fails: a screen shows little and forgets it. Best effort:
 * a folder that cannot be written to is no reason to fail.
 */
import { closeSync, mkdirSync, openSync, readdirSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { Event } from '../events.ts'
import { logLines } from './logs.ts'
import { errorLines } from './error.ts'
import { duration } from './measure.ts'
import type { Ending, Renderer } from './renderer.ts'
import { styleWith } from './style.ts'

export interface RunLogFacts {
  readonly folder: string
  /** Name of the command, for the name of the file. */
  readonly command: string
  /** Id of the run. */
  readonly run: string
  readonly now: () => number
}

const KEPT = 50
/** Usage, a lock, a refusal: the message is all there is to know. */
const REFUSALS: ReadonlySet<number> = new Set([2, 8, 9])
const NAME = /\.run\.log$/
/** Written at latest after this time, so that what a killed run said is there but for its last moment. */
const FLUSH_MS = 250

/** The same renderer, with a log of what it is told. A run that did nothing leaves none. */
export function withRunLog(renderer: Renderer, facts: RunLogFacts): Renderer {
  const log = runLog(facts)
  let isBegun = false
  return {
    emit: (event) => {
      isBegun = true
      log.add(eventLines(event))
      renderer.emit(event)
    },
    settle: () => renderer.settle(),
    async end(ending) {
      if (isBegun) log.add(endingLines(ending))
      const file = log.close()
      const isNamed = ending.error !== undefined && !REFUSALS.has(ending.exitCode)
      await renderer.end(isNamed ? { ...ending, log: file } : ending)
    },
    abandon: () => {
      log.close()
      renderer.abandon()
    },
  }
}

interface RunLog {
  add(lines: readonly string[]): void
  /** Path of the file; undefined when nothing was written. */
  close(): string | undefined
}

function runLog({ folder, command, run, now }: RunLogFacts): RunLog {
  let waiting: string[] = []
  let timer: NodeJS.Timeout | undefined
  let open: { readonly file: string; readonly descriptor: number } | undefined
  let isBroken = false
  const flush = (): void => {
    clearTimeout(timer)
    timer = undefined
    if (waiting.length === 0 || isBroken) return
    const text = waiting.join('')
    waiting = []
    try {
      open ??= begin(folder, `${stamp(now())}-${command}-${run}.run.log`)
      writeSync(open.descriptor, text)
    } catch {
      isBroken = true
    }
  }
  return {
    add(lines) {
      if (lines.length === 0) return
      const time = new Date(now()).toISOString()
      waiting.push(...lines.map((line) => `${time} ${line}\n`))
      timer ??= setTimeout(flush, FLUSH_MS).unref()
    },
    close() {
      flush()
      if (open) closeSync(open.descriptor)
      const file = isBroken ? undefined : open?.file
      open = undefined
      isBroken = true
      return file
    },
  }
}

/** Output of hooks may hold what is not for everybody: the file is for this user alone. */
function begin(folder: string, name: string): { readonly file: string; readonly descriptor: number } {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const old = readdirSync(folder).filter((one) => NAME.test(one))
  // Names begin with their time.
  for (const one of old.toSorted((a, b) => (a < b ? 1 : -1)).slice(KEPT - 1)) rmSync(join(folder, one), { force: true })
  const file = join(folder, name)
  return { file, descriptor: openSync(file, 'a', 0o600) }
}

/** "2026-11-21T12-00-00". */
function stamp(now: number): string {
  return new Date(now).toISOString().slice(0, 19).replaceAll(':', '-')
}

/** What an event says, a line each; progress says nothing that lasts. */
function eventLines(event: Event): readonly string[] {
  if (event.event === 'run.started' || event.event === 'step.progress') return []
  const host = event.host === undefined ? '' : ` ${event.host}`
  if (event.event === 'warning') {
    return [`warning${host}: ${event.message}`, ...(event.details ?? []).map((line) => `  ${line}`)].flatMap(safe)
  }
  const place = `${event.step}${host}`
  switch (event.event) {
    case 'log':
      return logLines(event).map((line) => `${place} | ${line}`)
    case 'step.started':
      return safe(`${place}: started`)
    case 'step.finished':
      return safe(`${place}: ok ${event.note ?? ''} (${duration(event.durationMs)})`)
    case 'step.skipped':
      return safe(`${place}: skipped: ${event.reason}`)
    case 'step.failed':
      break
  }
  return safe(`${place}: failed after ${duration(event.durationMs)}: ${event.error.message}`)
}

function endingLines({ command, exitCode, error }: Ending): readonly string[] {
  const style = styleWith(false)
  const said = error === undefined ? [] : errorLines(error, { style, verbose: true })
  return [...said.flatMap(safe), `ship ${command} ended with ${exitCode}`]
}

function safe(text: string): readonly string[] {
  return logLines({ event: 'log', step: '', text })
}
