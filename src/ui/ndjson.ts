/**
 * `--json`: every event is one line on stdout, the last one is the result. A public contract: fields are added, never renamed
 * without a new `schema`. Nothing else goes to stdout, and no colour.
 */
import { EVENT_SCHEMA, reportOf } from '../events.ts'
import type { Renderer, Screen } from './renderer.ts'

export function ndjsonRenderer(screen: Screen, options: { readonly events: boolean }): Renderer {
  const line = (body: object): void => {
    const time = new Date(screen.now()).toISOString()
    screen.out.write(`${JSON.stringify({ schema: EVENT_SCHEMA, time, ...body })}\n`)
  }
  return {
    emit: (event) => {
      if (options.events) line(event)
    },
    settle: () => Promise.resolve(),
    end: ({ command, exitCode, data, error, hosts, next, log }) => {
      const report = error === undefined ? undefined : reportOf(error)
      // As on a screen: what to do about an error comes before what would come next.
      line({ event: 'result', command, exitCode, error: report, hosts, data, next: report ? report.next : next, log })
      return Promise.resolve()
    },
    abandon: () => undefined,
  }
}
