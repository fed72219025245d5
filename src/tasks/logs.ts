/** Logs of the app on the hosts as a job: ends of files and journals, which may be followed. Pure. */
import type { Environment } from '../config/environment.ts'
import type { LogSource } from '../config/logs.ts'
import { ShipError } from '../errors.ts'
import { relPathProblem } from '../names.ts'
import type { Job } from './plan.ts'

/** Names of the units that systemd has. */
const UNIT = /\.(?:service|socket|timer|target|path|mount|scope|slice)$/

/**
 * $1: how many lines; $2: not empty: follow; $3: not empty: say which log a line is of; then of each log its kind, its name, and two
 * places, of which the first that exists counts.
 */
const TEXT = `n=$1 follow=$2 many=$3; shift 3
one() {
  if [ "$1" = unit ]; then
    set -- journalctl --no-pager -o short-iso -n "$n" \${follow:+-f} -u "$2"
  else
    f=$3; [ -f "$f" ] || f=$4
    [ -f "$f" ] || { echo "$2: there is no such file, neither in the release nor in shared/" >&2; return 1; }
    set -- tail -n "$n" \${follow:+-F} -- "$f"
  fi
  "$@"
}
labelled() {
  [ -n "$many" ] || { one "$@"; return; }
  one "$@" 2>&1 | while IFS= read -r line; do printf '%s: %s\\n' "$2" "$line"; done
}
rc=0
while [ $# -ge 4 ]; do
  if [ -n "$follow" ]; then labelled "$@" & else labelled "$@" || rc=$?; fi
  shift 4
done
wait
exit $rc`

export interface LogsQuestion {
  /** As typed: names of configured logs, units or files; none: all that are configured. */
  readonly wanted: readonly string[]
  /** Undefined: as many as the configuration says of each, 50 of others. */
  readonly lines: number | undefined
  readonly follow: boolean
}

const LINES = 50

/** The job. Throws reason `usage` when no log is named anywhere. */
export function logsJob(environment: Environment, { wanted, lines, follow }: LogsQuestion): Job {
  const sources = wanted.length === 0 ? environment.logs : wanted.map((name) => sourceOf(name, environment.logs))
  if (sources.length === 0) {
    throw new ShipError('usage', `the configuration names no logs for "${environment.name}"`, {
      next: [
        "add them: release: { logs: [{ unit: 'shop.service' }, 'log/production.log'] }",
        'or name one: ship logs shop.service, ship logs log/production.log',
      ],
    })
  }
  const many = Math.max(...sources.map((source) => source.lines))
  const texts = [String(lines ?? many), follow ? 'f' : '', sources.length > 1 ? 'm' : '']
  return {
    step: 'logs',
    hosts: environment.hosts,
    work: { title: 'logs', argv: ['sh', '-c', TEXT, 'sh', ...texts, ...sources.flatMap(wordsOf)], isText: false },
    isLocal: false,
    atOnce: undefined,
    stopAtFailure: false,
    timeoutMs: undefined,
    // What places of files are relative to, so that they are the same words for every host.
    cwd: (host) => host.deployTo,
    folder: 'may',
    env: {},
    secrets: {},
    args: [],
  }
}

/** The configured log of that name, else what the word itself says. */
function sourceOf(name: string, known: readonly LogSource[]): LogSource {
  const found = known.find(({ file, unit }) => file === name || unit === name || unit === `${name}.service`)
  if (found) return found
  if (UNIT.test(name)) return { unit: name, lines: LINES }
  if (name.startsWith('/') || relPathProblem(name) === undefined) return { file: name, lines: LINES }
  throw new ShipError('usage', `"${name}" is neither a unit nor a path inside a release`, {
    next: ['write "shop.service", "log/production.log", or an absolute path'],
  })
}

function wordsOf({ file, unit }: LogSource): readonly string[] {
  if (unit !== undefined) return ['unit', unit, '', '']
  const path = file ?? ''
  const places = path.startsWith('/') ? [path, path] : [`current/${path}`, `shared/${path}`]
  return ['file', path, ...places]
}
