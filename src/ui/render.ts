/** Chooses how a run is shown. One line per style. With `-v` a terminal gets plain lines too: output of hooks would tear a live list. */
import { actionsRenderer } from './actions.ts'
import { writeEnding } from './ending.ts'
import { linesRenderer, warningLines } from './lines.ts'
import { ndjsonRenderer } from './ndjson.ts'
import type { Renderer, Screen } from './renderer.ts'

export type Look = 'live' | 'lines' | 'actions' | 'quiet' | 'ndjson' | 'ndjson-quiet'

export function chooseLook(
  flags: { readonly json: boolean; readonly quiet: boolean; readonly verbose: boolean },
  terminal: { readonly isTTY: boolean; readonly env: Readonly<Record<string, string | undefined>> },
): Look {
  const { env } = terminal
  if (flags.json) return flags.quiet ? 'ndjson-quiet' : 'ndjson'
  if (flags.quiet) return 'quiet'
  if (env['GITHUB_ACTIONS'] === 'true') return 'actions'
  const inCi = (env['CI'] ?? '') !== '' && env['CI'] !== 'false'
  return terminal.isTTY && !flags.verbose && !inCi && env['TERM'] !== 'dumb' ? 'live' : 'lines'
}

const LOOKS = {
  live: async (screen) => {
    const { liveRenderer } = await import('./live.ts')
    return liveRenderer(screen)
  },
  lines: (screen) => linesRenderer(screen),
  actions: actionsRenderer,
  quiet: quietRenderer,
  ndjson: (screen) => ndjsonRenderer(screen, { events: true }),
  'ndjson-quiet': (screen) => ndjsonRenderer(screen, { events: false }),
} satisfies Record<Look, (screen: Screen) => Renderer | Promise<Renderer>>

export async function openRenderer(look: Look, screen: Screen): Promise<Renderer> {
  return LOOKS[look](screen)
}

/** `-q`: no progress; warnings, the answer and errors stay. */
function quietRenderer(screen: Screen): Renderer {
  return {
    emit: (event) => {
      if (event.event === 'warning') screen.err.write(`${warningLines(event, screen).join('\n')}\n`)
    },
    settle: () => Promise.resolve(),
    end: (ending) => {
      writeEnding(ending, screen)
      return Promise.resolve()
    },
    abandon: () => undefined,
  }
}
