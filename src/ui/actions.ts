/** GitHub Actions: the plain lines in groups, one per step, and annotations for warnings and the final error. */
import { messageOf } from '../errors.ts'
import { reportOf } from '../events.ts'
import { writeEnding } from './ending.ts'
import { linesRenderer } from './lines.ts'
import type { Out, Renderer, Screen } from './renderer.ts'

export function actionsRenderer(real: Screen): Renderer {
  const screen = { ...real, out: withoutCommands(real.out), err: withoutCommands(real.err) }
  let grouped = false
  const command = (name: string, message: string, properties?: Readonly<Record<string, string>>): void =>
    real.err.write(`${workflowCommand(name, message, properties)}\n`)
  const endGroup = (): void => {
    if (grouped) command('endgroup', '')
    grouped = false
  }
  const lines = linesRenderer(screen, {
    onSection: (step) => {
      endGroup()
      command('group', step)
      grouped = true
    },
    onWarning: (event) =>
      command('warning', event.host === undefined ? event.message : `${event.host}: ${event.message}`),
  })
  return {
    ...lines,
    end: (ending) => {
      endGroup()
      lines.abandon()
      writeEnding(ending, screen)
      if (ending.error !== undefined) command('error', annotation(ending.error), { title: `ship ${ending.command}` })
      return Promise.resolve()
    },
  }
}

/** `::name key=value::message` with what the runner wants escaped. */
export function workflowCommand(
  name: string,
  message: string,
  properties: Readonly<Record<string, string>> = {},
): string {
  const list = Object.entries(properties).map(([key, value]) => `${key}=${escapeProperty(value)}`)
  return `::${name}${list.length > 0 ? ` ${list.join(',')}` : ''}::${escapeData(message)}`
}

function annotation(error: unknown): string {
  const { host, step, state, next, details } = reportOf(error)
  const place = [host, step].filter((part) => part !== undefined).join(', ')
  const message = place === '' ? messageOf(error) : `${place}: ${messageOf(error)}`
  return [
    message,
    ...(details ?? []),
    ...(state === undefined ? [] : [state]),
    ...(next ?? []).map((line) => `next: ${line}`),
  ].join('\n')
}

/** Output of hosts and programs is data: the runner must find no command of its own in it. It looks at the start of lines, and for "##[". */
function withoutCommands(out: Out): Out {
  return {
    get isTTY() {
      return out.isTTY
    },
    get columns() {
      return out.columns
    },
    write: (text) => out.write(text.replaceAll(/^([^\S\n]*):(?=:)/gm, '$1: ').replaceAll('##[', '# #[')),
  }
}

function escapeData(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
}

function escapeProperty(text: string): string {
  return escapeData(text).replaceAll(':', '%3A').replaceAll(',', '%2C')
}
