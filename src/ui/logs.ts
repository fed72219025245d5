/** Output of recipes, hooks and gates: the last lines per step and host, to be shown when that step fails. */
import type { Event } from '../events.ts'
import { escapeControls } from '../names.ts'

const KEPT_LINES = 20

type LogEvent = Extract<Event, { readonly event: 'log' }>

export interface Tails {
  add(event: LogEvent): void
  /** The last lines of a step, up to one that says something; they are forgotten then. */
  take(step: string, host: string | undefined): readonly string[]
}

export function tails(): Tails {
  const kept = new Map<string, readonly string[]>()
  return {
    add(event) {
      const at = key(event.step, event.host)
      kept.set(at, [...(kept.get(at) ?? []), ...logLines(event)].slice(-KEPT_LINES))
    },
    take(step, host) {
      const at = key(step, host)
      const lines = kept.get(at) ?? []
      kept.delete(at)
      return lines.slice(0, lines.findLastIndex((line) => line !== '') + 1)
    },
  }
}

function key(step: string, host: string | undefined): string {
  return JSON.stringify([step, host ?? ''])
}

/** The lines of one event, safe to print. */
export function logLines(event: LogEvent): readonly string[] {
  return event.text
    .replace(/\r?\n$/, '')
    .split(/\r?\n/)
    .map((line) => escapeControls(line.replaceAll('\t', '  ')))
}
