/** The question of an HTTP check by the host's own curl, for hosts that forbid forwarding. */
import { escapeControls } from '../names.ts'
import type { GateHost, ProbeAnswer } from './gate.ts'
import { judge, MAX_BODY, type HttpAnswer, type HttpOptions } from './http-answer.ts'

export async function curl(host: GateHost, asked: HttpOptions, signal: AbortSignal): Promise<ProbeAnswer> {
  if (asked.ca !== undefined) {
    return {
      ok: false,
      said: 'the host forbids forwarding (AllowTcpForwarding), and its curl has no "ca": use from: "client" or an exec check',
    }
  }
  // Address and headers may let somebody in: they travel as input, for a list of processes is everybody's.
  const argv = ['sh', '-c', `printf '%s\\n' "$SHIP_QUESTION" | curl "$@" -K -`, 'sh', ...flagsOf(asked)]
  const { code, stdout, stderr } = await host.run(argv, { signal, env: { SHIP_QUESTION: questionOf(asked) } })
  if (code === 127 || code === 126) {
    return { ok: false, said: 'the host forbids forwarding (AllowTcpForwarding) and has no curl: use an exec check' }
  }
  if (code !== 0) {
    const last = stderr.trim().split('\n')[0] || `curl ended with ${code}`
    return { ok: false, said: /refused/i.test(last) ? 'connection refused' : escapeControls(last).slice(0, 200) }
  }
  return judge(asked, readAnswer(stdout))
}

function flagsOf({ method, insecure, http, serverName }: HttpOptions): string[] {
  const { hostname, port, protocol } = new URL(http)
  const number = port || (protocol === 'https:' ? '443' : '80')
  return [
    '-s',
    '-S',
    '--max-filesize',
    String(MAX_BODY),
    // Headers come with the answer; a HEAD has nothing else.
    ...(method === 'HEAD' ? ['-I'] : ['-i', '-X', method]),
    ...(insecure ? ['-k'] : []),
    ...(serverName === undefined ? [] : ['--connect-to', `${serverName}:${number}:${hostname}:${number}`]),
  ]
}

/** Lines of a configuration of curl. */
function questionOf(asked: HttpOptions): string {
  const quoted = (text: string): string =>
    `"${text.replaceAll(/[\\"]/g, '\\$&').replaceAll('\n', '\\n').replaceAll('\r', '\\r')}"`
  const headers = Object.entries(asked.headers).map(([name, value]) => `header = ${quoted(`${name}: ${value}`)}`)
  return [`url = ${quoted(addressOf(asked))}`, ...headers].join('\n')
}

function addressOf({ http, serverName }: HttpOptions): string {
  if (serverName === undefined) return http
  const url = new URL(http)
  url.hostname = serverName
  return url.href
}

/** Status line, headers, an empty line, body. */
function readAnswer(text: string): HttpAnswer {
  const end = /\r?\n\r?\n/.exec(text)
  const head = end ? text.slice(0, end.index) : text
  const [first = '', ...lines] = head.split(/\r?\n/)
  const headers = new Map<string, string[]>()
  for (const line of lines) {
    const at = line.indexOf(':')
    const name = line.slice(0, at).trim().toLowerCase()
    if (at > 0) headers.set(name, [...(headers.get(name) ?? []), line.slice(at + 1).trim()])
  }
  const body = end ? text.slice(end.index + end[0].length) : ''
  return { status: Number(first.split(' ')[1] ?? 0), headers, body }
}
