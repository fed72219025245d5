/** Real nginx and real HAProxy in the foreground, each on an address of its own. Ends only what it started, by pid. */
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const find = (name: string): string | undefined =>
  [`/usr/sbin/${name}`, `/usr/local/sbin/${name}`, `/usr/bin/${name}`].find((path) => existsSync(path))

const NGINX = find('nginx')
const HAPROXY = find('haproxy')

export const HAS_BALANCERS = NGINX !== undefined && HAPROXY !== undefined

export interface Balancer {
  readonly url: string
  /** What its drain needs: `file`, `test`, ... of nginx, `socket` of HAProxy. */
  readonly options: Readonly<Record<string, string>>
  readonly pid: number
  stop(): Promise<void>
}

interface Place {
  /** Existing folder for its files. */
  readonly dir: string
  readonly address: string
  readonly port: number
  /** Addresses of its servers with their ports. */
  readonly servers: readonly string[]
  /** Failed checks after which HAProxy holds a server for down; many, for a busy machine answers late. */
  readonly fall?: number
}

/** The text of the file with the upstream "shop". */
export function upstreamText(servers: readonly string[]): string {
  return `# servers of the shop\nupstream shop {\n${servers.map((s) => `    server ${s} max_fails=0;\n`).join('')}}\n`
}

/** Nothing is tried again at another server, so that every request which meets a dead one shows. */
export async function startNginx({ dir, address, port, servers }: Place): Promise<Balancer> {
  const [file, main, pid] = [join(dir, 'shop.conf'), join(dir, 'nginx.conf'), join(dir, 'nginx.pid')]
  mkdirSync(join(dir, 'temp'), { recursive: true })
  writeFileSync(file, upstreamText(servers))
  const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((n) => `${n}_temp_path ${dir}/temp/${n};`)
  writeFileSync(
    main,
    `${process.getuid?.() === 0 ? 'user root;' : ''}
daemon off;
worker_processes 2;
pid ${pid};
error_log ${dir}/error.log;
events { worker_connections 512; }
http {
  access_log off;
  ${temp.join('\n  ')}
  include ${dir}/*.upstreams;
  include ${file};
  server {
    listen ${address}:${port};
    location / {
      proxy_pass http://shop;
      proxy_next_upstream off;
    }
  }
}
`,
  )
  const child = start(NGINX, ['-e', `${dir}/error.log`, '-c', main])
  await listening(address, port, child, () => readFileSync(`${dir}/error.log`, 'utf8'))
  const options = { file, pid, test: `nginx -t -q -c ${main}`, reload: `nginx -s reload -c ${main}` }
  return { url: `http://${address}:${port}/`, options, pid: child.pid ?? 0, stop: () => end(child) }
}

export async function startHaproxy({ dir, address, port, servers, fall = 20 }: Place): Promise<Balancer> {
  const [config, socket] = [join(dir, 'haproxy.cfg'), join(dir, 'admin.sock')]
  writeFileSync(
    config,
    `global
  stats socket ${socket} mode 600 level admin
  stats socket ipv4@${address}:${port + 1000} level admin
  stats socket ${socket}.operator mode 600 level operator
  nbthread 2
defaults
  mode http
  retries 0
  timeout connect 20s
  timeout client 60s
  timeout server 60s
  timeout check 10s
frontend web
  bind ${address}:${port}
  default_backend shop
backend shop
  balance roundrobin
  option httpchk GET /healthz
${servers.map((server, i) => `  server web${i + 1} ${server} check inter 250ms fall ${fall} rise 1\n`).join('')}`,
  )
  const child = start(HAPROXY, ['-db', '-f', config])
  let said = ''
  child.stderr?.on('data', (chunk: Buffer) => void (said += chunk.toString()))
  await listening(address, port, child, () => said)
  return { url: `http://${address}:${port}/`, options: { socket }, pid: child.pid ?? 0, stop: () => end(child) }
}

function start(program: string | undefined, args: readonly string[]): ChildProcess {
  if (program === undefined) throw new Error('not installed')
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  // A test that dies leaves no server behind. TERM, for nginx's master ends its workers.
  const kill = (): void => void child.kill('SIGTERM')
  process.once('exit', kill)
  child.once('exit', () => process.off('exit', kill))
  return child
}

async function listening(address: string, port: number, child: ChildProcess, log: () => string): Promise<void> {
  for (let tries = 0; tries < 600; tries++) {
    if (child.exitCode !== null) throw new Error(`it ended: ${log()}`)
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, address, () => (socket.destroy(), resolve(true)))
      socket.once('error', () => resolve(false))
    })
    if (open) return
    await sleep(50)
  }
  throw new Error(`it does not listen: ${log()}`)
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  const late = setTimeout(() => child.kill('SIGKILL'), 10_000)
  await gone
  clearTimeout(late)
}
