/**
 * The project's own part of a maintainer script: read, judged, and made fit to stand in a function of the generated one. It is shell,
 * because it shares a process with the part that keeps `current` whole.
 */
import { ShipError } from '../errors.ts'
import { escapeControls } from '../names.ts'
import type { ScriptName } from './facts.ts'

export interface CustomScript {
  /** What the whole script must be run by. */
  readonly shell: '/bin/sh' | '/bin/bash'
  /** Options beyond -e, which always holds: `u`, `x`. */
  readonly options: string
  /** Whether it talks to debconf. */
  readonly asks: boolean
  /** Without its first line; ends with a line break. */
  readonly body: string
}

const SHEBANG = /^#!\s*(?:\/usr)?\/bin\/(?:env\s+)?(sh|dash|bash)(?:\s+-([eux]+))?\s*$/

/** Takes line ends of Windows and a byte order mark away. Throws (reason `config`) what dpkg could not run, by name. */
export function readCustomScript(name: ScriptName, text: string): CustomScript {
  const lines = text.replace(/^\uFEFF/, '').replaceAll('\r\n', '\n')
  const where = `the ${name} script of the project`
  if (lines.includes('\0')) throw new ShipError('config', `${where} holds a NUL byte`)
  const [first = '', ...rest] = lines.split('\n')
  if (!first.startsWith('#!')) {
    throw new ShipError('config', `${where} does not start with "#!"`, { next: ['let its first line be: #!/bin/sh'] })
  }
  const [, shell, options = ''] = SHEBANG.exec(first) ?? []
  if (shell === undefined) {
    throw new ShipError('config', `${where} is not for sh or bash, but "${escapeControls(first)}"`, {
      next: ['ship the program in the tree, and call it from a script that starts with #!/bin/sh'],
    })
  }
  const body = rest.join('\n')
  return {
    shell: shell === 'bash' ? '/bin/bash' : '/bin/sh',
    options: [...new Set(options.replaceAll('e', ''))].toSorted().join(''),
    asks: /^\s*(?:\.|source)\s+["']?\/usr\/share\/debconf\/confmodule\b/m.test(body),
    body: body.endsWith('\n') || body === '' ? body : `${body}\n`,
  }
}

/**
 * The function `custom` and how it is called: in a subshell, so that its `exit`, `cd` and `set` are its own, and as a command of its own,
 * so that `set -e` holds in it.
 */
export function customFunction(script: CustomScript): { readonly definition: string; readonly call: string } {
  const options = script.options === '' ? ':' : `set -${script.options}`
  return { definition: `custom() {\n${options}\n${script.body}}\n`, call: '(custom "$@")\n' }
}
