/**
 * Asks over HTTP, spoken by ship itself through a connection opened from the host, so that 127.0.0.1 is the host's own and nothing need
 * be installed there. A host that forbids forwarding is asked by its own curl instead.
 */
import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { Duplex } from 'node:stream'
import { connect as tlsConnect } from 'node:tls'
import { z } from 'zod'
import { messageOf, throwIfAborted } from '../errors.ts'
import { escapeControls } from '../names.ts'
import type { Gate, GateHost, ProbeAnswer } from './gate.ts'

const options = z.strictObject({
  http: z
    .url({ protocol: /^https?$/, error: 'is not a URL; write "http://127.0.0.1:8080/healthz"' })
    .describe('URL as seen from the host'),
  expect: z
    .union([z.int().min(100).max(599), z.array(z.int().min(100).max(599)).min(1)])
    .optional()
    .describe('Status or statuses that are good; default 200 to 399'),
  body: z.string().optional().describe('Text that the answer must hold'),
  headers: z.record(z.string(), z.string()).default({}).describe('Headers to send'),
  insecure: z.boolean().default(false).describe('Accept a certificate that cannot be verified'),
})

type Options = z.output<typeof options>

/** Read of an answer; a health page is small. */
const MAX_BODY = 64 * 1024

export const http: Gate<Options> = {
  key: 'http',
  options,
  describe: ({ http: url, expect, body }) => {
    const statuses = expect === undefined ? '200 to 399' : [expect].flat().join(' or ')
    return `http ${url} expects ${statuses}${body === undefined ? '' : ` with "${escapeControls(body)}"`}`
  },
  async probe(host, asked, signal) {
    const url = new URL(asked.http)
    const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80))
    let socket: Duplex
    try {
      socket = await host.dial(url.hostname.replace(/^\[|\]$/g, ''), port, signal)
    } catch (error) {
      throwIfAborted(signal)
      return /administratively prohibited/i.test(messageOf(error))
        ? curl(host, asked, signal)
        : { ok: false, said: plain(messageOf(error)) }
    }
    try {
      const { status, body } = await ask(url, socket, asked, signal)
      return judge(asked, status, body)
    } catch (error) {
      throwIfAborted(signal)
      return { ok: false, said: plain(messageOf(error)) }
    } finally {
      socket.destroy()
    }
  },
}

function judge({ expect, body: wanted }: Options, status: number, body: string): ProbeAnswer {
  const good = expect === undefined ? status >= 200 && status < 400 : [expect].flat().includes(status)
  if (!good) return { ok: false, said: `${status}${firstLine(body)}` }
  if (wanted !== undefined && !body.includes(wanted))
    return { ok: false, said: `${status} without "${escapeControls(wanted)}"` }
  return { ok: true, said: String(status) }
}

function ask(
  url: URL,
  socket: Duplex,
  { headers, insecure }: Options,
  signal: AbortSignal,
): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const secure = url.protocol === 'https:'
    const verified = { rejectUnauthorized: !insecure }
    const stream = secure ? tlsConnect({ socket, servername: url.hostname, ...verified }) : socket
    // No agent: even `agent: false` makes one, and that would connect by itself, from here.
    const settings: RequestOptions = {
      createConnection: () => stream,
      method: 'GET',
      path: url.pathname + url.search,
      headers: { host: url.host, 'user-agent': 'ship', connection: 'close', ...headers },
      signal,
    }
    const request = (secure ? httpsRequest : httpRequest)(settings, (response) => {
      readBody(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), reject)
    })
    stream.once('error', reject)
    request.once('error', reject)
    request.end()
  })
}

async function readBody(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response) {
    const bytes = chunk as Buffer
    chunks.push(bytes)
    size += bytes.length
    if (size > MAX_BODY) break
  }
  return Buffer.concat(chunks).subarray(0, MAX_BODY).toString('utf8')
}

/** The same question by the host's curl. */
async function curl(host: GateHost, asked: Options, signal: AbortSignal): Promise<ProbeAnswer> {
  const headers = Object.entries(asked.headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`])
  const flags = [
    '-s',
    '-S',
    '--max-filesize',
    String(MAX_BODY),
    '-w',
    '\n%{http_code}',
    ...(asked.insecure ? ['-k'] : []),
  ]
  const { code, stdout, stderr } = await host.run(['curl', ...flags, ...headers, '--', asked.http], { signal })
  if (code === 127 || code === 126) {
    return { ok: false, said: 'the host forbids forwarding (AllowTcpForwarding) and has no curl: use an exec check' }
  }
  if (code !== 0) return { ok: false, said: plain(stderr.trim() || `curl ended with ${code}`) }
  const at = stdout.lastIndexOf('\n')
  return judge(asked, Number(stdout.slice(at + 1)), stdout.slice(0, at))
}

function firstLine(body: string): string {
  const line = body.trim().split('\n')[0] ?? ''
  return line === '' ? '' : ` "${escapeControls(line.slice(0, 120))}"`
}

/** Socket errors in a few words. */
function plain(message: string): string {
  if (/ECONNREFUSED|connection refused/i.test(message)) return 'connection refused'
  if (/ECONNRESET|socket hang up/i.test(message)) return 'connection closed without an answer'
  return escapeControls(message.split('\n')[0] ?? '').slice(0, 200)
}
