/** What tests of drain kinds share: this machine as the balancer's host, servers that answer when told to, and changes. */
import { createServer, get, type ServerResponse } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Change, DrainHost } from '../../src/drain/drain.ts'
import { runLocal } from '../../src/process.ts'
import { SIGNAL } from '../support/bundle.ts'

export const here: DrainHost = {
  run: (argv, options) => runLocal(argv, options),
  dial: (address, port) =>
    new Promise((resolve, reject) => {
      const socket = connect(port, address, () => resolve(socket)).once('error', reject)
    }),
}

/** A server that answers at once, and to /slow when it is told to. */
export interface App {
  readonly server: string
  readonly waiting: ServerResponse[]
  stop(): Promise<void>
}

export async function startApp(): Promise<App> {
  const waiting: ServerResponse[] = []
  const http = createServer((request, response) => {
    if (request.url === '/slow') waiting.push(response)
    else response.end('ok\n')
  })
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', () => resolve()))
  const { port } = http.address() as AddressInfo
  const stop = (): Promise<void> => {
    http.closeAllConnections()
    return new Promise((resolve) => http.close(() => resolve()))
  }
  return { server: `127.0.0.1:${port}`, waiting, stop }
}

let nextPort = 20_000 + (process.pid % 20_000)
export const freePort = (): number => (nextPort += 1)

export function change(to: Change['to'], servers: readonly string[], more: Partial<Change> = {}): Change {
  const named = servers.map((server) => ({ server, env: {} }))
  return { to, servers: named, all: servers, projectDir: '/', waitMs: 30_000, signal: SIGNAL, ...more }
}

export async function slowRequest(url: string): Promise<{ readonly status: Promise<number> }> {
  const status = new Promise<number>((resolve) => {
    get(`${url}slow`, (response) => {
      response.resume()
      response.once('end', () => resolve(response.statusCode ?? 0))
    }).once('error', () => resolve(0))
  })
  return { status }
}

export async function eventually(done: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 1000; tries++) {
    if (await done()) return
    await sleep(30)
  }
  throw new Error('it never came')
}
