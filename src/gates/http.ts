/**
 * Asks over HTTP, spoken by ship itself through a connection opened from the host, so that 127.0.0.1 is the host's own and nothing need
 * be installed there. A host that forbids forwarding is asked by its own curl instead.
 */
import { readFile } from 'node:fs/promises'
import type { IncomingMessage, RequestOptions } from 'node:http'
import { isIP } from 'node:net'
import { resolve as resolvePath } from 'node:path'
import type { Duplex } from 'node:stream'
import { connect as tlsConnect, createSecureContext } from 'node:tls'
import { messageOf, ShipError, throwIfAborted } from '../errors.ts'
import { escapeControls } from '../names.ts'
import { publicAddress } from '../public-url.ts'
import { curl } from './curl.ts'
import type { Gate } from './gate.ts'
import { httpOptions, judge, MAX_BODY, type HttpAnswer, type HttpOptions } from './http-answer.ts'
import { refuseUnknownNames, withNames } from './names.ts'

export const http: Gate<HttpOptions> = {
  key: 'http',
  options: httpOptions,
  describe: ({ http: url, method, expect, body, matches, expectHeaders }) => {
    const statuses = expect === undefined ? '200 to 399' : [expect].flat().join(' or ')
    const wanted = [
      ...(body === undefined ? [] : [`"${body}"`]),
      ...(matches === undefined ? [] : [`/${matches}/`]),
      ...Object.entries(expectHeaders).map(([name, value]) => `${name}: ${value}`),
    ].map((text) => escapeControls(text))
    const verb = method === 'GET' ? '' : `${method} `
    return `http ${verb}${publicAddress(url)} expects ${statuses}${wanted.length === 0 ? '' : ` with ${wanted.join(', ')}`}`
  },
  async prepare(asked, scope) {
    refuseUnknownNames(asked.http, scope)
    if (asked.ca === undefined) return asked
    return { ...asked, ca: await readAuthority(asked.ca, scope.projectDir) }
  },
  async probe(host, options, signal) {
    const asked = { ...options, http: withNames(options.http, host.names) }
    if (!URL.canParse(asked.http))
      return { ok: false, said: `"${escapeControls(publicAddress(asked.http))}" is not a URL` }
    const url = new URL(asked.http)
    const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80))
    let socket: Duplex
    try {
      socket = await host.dial(bare(url.hostname), port, signal)
    } catch (error) {
      throwIfAborted(signal)
      return /administratively prohibited/i.test(messageOf(error))
        ? curl(host, asked, signal)
        : { ok: false, said: dialled(messageOf(error), url.hostname) }
    }
    try {
      return judge(asked, await ask(url, socket, asked, signal))
    } catch (error) {
      throwIfAborted(signal)
      return { ok: false, said: plain(messageOf(error)) }
    } finally {
      socket.destroy()
    }
  },
}

function ask(url: URL, socket: Duplex, asked: HttpOptions, signal: AbortSignal): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const secure = url.protocol === 'https:'
    const stream = secure ? tls(url, socket, asked) : socket
    const host = asked.serverName === undefined ? url.host : url.host.replace(url.hostname, asked.serverName)
    // Not by import: that reads every export of node:http, which loads its whole fetch (some 30 ms of each command).
    const { request: send } = process.getBuiltinModule(secure ? 'node:https' : 'node:http')
    // No agent: even `agent: false` makes one, and that would connect by itself, from here.
    const settings: RequestOptions = {
      createConnection: () => stream,
      method: asked.method,
      path: url.pathname + url.search,
      ...(url.username === ''
        ? {}
        : { auth: `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}` }),
      headers: { host, 'user-agent': 'ship', connection: 'close', ...lowerCase(asked.headers) },
      signal,
    }
    const request = send(settings, (response) => {
      const { statusCode: status = 0, headers } = response
      readBody(response).then((body) => resolve({ status, headers: new Map(Object.entries(headers)), body }), reject)
    })
    stream.once('error', reject)
    request.once('error', reject)
    request.end()
  })
}

/** The name that the certificate must be for is also the one that is asked for; an address cannot be asked for by TLS. */
function tls(url: URL, socket: Duplex, { insecure, ca, serverName }: HttpOptions): Duplex {
  const name = serverName ?? bare(url.hostname)
  const identity = isIP(name) === 0 ? { servername: name } : { host: name }
  return tlsConnect({ socket, ...identity, rejectUnauthorized: !insecure, ...(ca === undefined ? {} : { ca }) })
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

async function readAuthority(path: string, projectDir: string): Promise<string> {
  const refused = (why: string): ShipError => new ShipError('config', `"ca" of a health check, "${path}", ${why}`)
  const text = await readFile(resolvePath(projectDir, path), 'utf8').catch(() => {
    throw refused('cannot be read')
  })
  if (!text.includes('-----BEGIN CERTIFICATE-----')) throw refused('holds no certificate (PEM)')
  try {
    createSecureContext({ ca: text })
  } catch (error) {
    throw refused(`holds a certificate that cannot be read: ${messageOf(error)}`)
  }
  return text
}

function lowerCase(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
}

/** "[::1]" -> "::1". */
function bare(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '')
}

/** Why the host reached nothing; ssh2 speaks of its channel, and not of the name that its server could not resolve. */
function dialled(message: string, hostname: string): string {
  const isUnknown = /name or service not known|name resolution|nodename nor servname|ENOTFOUND|EAI_AGAIN/i.test(message)
  return isUnknown ? `the name "${escapeControls(hostname)}" cannot be resolved there` : plain(message)
}

/** Socket errors in a few words. */
function plain(message: string): string {
  if (/ECONNREFUSED|connection refused/i.test(message)) return 'connection refused'
  if (/ECONNRESET|socket hang up/i.test(message)) return 'connection closed without an answer'
  return escapeControls(message.split('\n')[0] ?? '').slice(0, 200)
}
