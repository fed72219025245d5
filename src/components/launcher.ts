/** `bin/<name>`: small sh programs that find their tree from where they lie, through links, and start what it holds. */
import { ShipError } from '../errors.ts'
import { parseRelPath } from '../names.ts'
import type { Launcher } from '../recipe.ts'
import { quote } from '../shell.ts'

const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/
const PROGRAM = /^[A-Za-z0-9][A-Za-z0-9._+-]*$/

/** What no folder of PATH has. */
const SHELL_WORDS = new Set(
  '. : alias bg break case cd command continue do done elif else esac eval exec exit export fg fi for if jobs local read readonly return set shift source then times trap type ulimit umask unalias unset until wait while'.split(
    ' ',
  ),
)

/** Rejects (reason `build`) names that are none. */
export function launcherPath(name: string): string {
  if (!PROGRAM.test(name)) throw new ShipError('config', `"${name}" is no name for a program in bin/`)
  return `bin/${name}`
}

/** The program's text. `appFolder` is where a shell command starts, relative to the tree; '' for the tree itself. */
export function launcherText(launcher: Launcher, appFolder: string): string {
  const { run, interpreter, paths = {}, env = {}, envFile, shell } = launcher
  const exports = Object.entries(paths).map(
    ([name, places]) => `export ${variable(name)}=${places.map(inTree).join(':')}`,
  )
  const defaults = Object.entries(env).map(
    ([name, value]) => `[ -n "\${${variable(name)}+set}" ] || export ${name}=${quote(value)}`,
  )
  const start =
    shell === undefined
      ? [`exec ${[...(interpreter === undefined ? [] : [quote(interpreter)]), ...run.map(inTree)].join(' ')} "$@"`]
      : [
          `cd ${appFolder === '' ? '"$root"' : inTree(appFolder)}`,
          'export PATH="$root/embedded/bin:$PWD/node_modules/.bin:$PWD/site-packages/bin:$PATH"',
          `exec sh -c ${quote(isOneProgram(shell) ? `exec ${shell}` : shell)}`,
        ]
  return [
    '#!/bin/sh',
    'set -e',
    'self=$0',
    'case $self in */*) ;; *) self=./$self ;; esac',
    'while [ -h "$self" ]; do',
    '  link=$(readlink "$self")',
    '  case $link in /*) self=$link ;; *) self=${self%/*}/$link ;; esac',
    'done',
    'root=$(CDPATH= cd -- "${self%/*}/.." && pwd -P)',
    ...(envFile === undefined ? [] : readEnvFile(envFile)),
    ...defaults,
    ...exports,
    ...start,
    '',
  ].join('\n')
}

/**
 * Whether a command is one program with its arguments. It takes the shell's place then: a shell that waits for it would get the signals
 * that are meant for it, and pass none on. In doubt the shell stays.
 */
function isOneProgram(command: string): boolean {
  const [first = ''] = command.split(/\s/)
  return /^[A-Za-z0-9_./-]+$/.test(first) && !SHELL_WORDS.has(first) && !/[;&|()`\n{}]/.test(command)
}

function inTree(path: string): string {
  return path === '.' ? '"$root"' : `"$root"/${quote(parseRelPath(path, 'build'))}`
}

function variable(name: string): string {
  if (!VARIABLE.test(name)) throw new ShipError('build', `"${name}" is no name of a variable`)
  return name
}

/** Values are taken as they stand, one pair of quotes around them taken off: nothing in the file is run. */
function readEnvFile(path: string): readonly string[] {
  return [
    `if [ -f ${inTree(path)} ]; then`,
    "  _cr=$(printf '\\r')",
    '  while IFS= read -r _line || [ -n "$_line" ]; do',
    '    _line=${_line%"$_cr"}',
    '    _name=${_line%%=*} _value=${_line#*=}',
    '    _name=${_name#export }',
    '    case $_line in *=*) ;; *) continue ;; esac',
    '    case $_name in "" | [0-9]* | *[!A-Za-z0-9_]*) continue ;; esac',
    '    eval "[ -z \\"\\${$_name+set}\\" ]" || continue',
    `    case $_value in \\"*\\") _value=\${_value#?} _value=\${_value%?} ;; "'"*"'") _value=\${_value#?} _value=\${_value%?} ;; esac`,
    '    export "$_name=$_value"',
    `  done <${inTree(path)}`,
    'fi',
  ]
}
