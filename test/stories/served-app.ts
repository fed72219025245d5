/**
 * An app that serves: a small HTTP server which is restarted by a hook on every host, on the host's own address. It reads its version when
 * it starts, answers with it after a moment, and dies at once when it is told to, with what it was doing.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { NODE } from '../support/cli.ts'

export const APP_PORT = 8080

const SERVER = `
const { createServer } = require('node:http')
const { readFileSync } = require('node:fs')
const read = (name) => readFileSync(__dirname + '/' + name, 'utf8').trim()
const version = read('VERSION')
const bad = read('BAD').split(' ').includes(process.env.SHIP_HOST)
// Well at first, and after a while not; who asks for pages does not see it yet.
const falling = read('FALLS_ILL').split(' ').includes(process.env.SHIP_HOST)
const server = createServer((request, response) => {
  setTimeout(() => {
    const isIll = falling && request.url === '/healthz' && process.uptime() > 2
    response.statusCode = bad || isIll ? 500 : 200
    response.end(version + (bad ? ' is bad\\n' : '\\n'))
  }, request.url === '/slow' ? 4000 : request.url === '/' ? 15 : 0)
})
server.keepAliveTimeout = 0
server.listen(${APP_PORT}, process.env.APP_ADDRESS)
// Ends with the test that started it.
setInterval(() => { try { process.kill(Number(process.env.TEST_PID), 0) } catch { process.exit() } }, 1000)
`

const RESTART = `pidfile=$SHIP_DEPLOY_TO/app.pid
if [ -f "$pidfile" ]; then
  pid=$(cat "$pidfile")
  kill -TERM "$pid" 2>/dev/null
  # Dead, or dead and not yet collected by whoever is its parent now.
  while grep -q '^State:[[:space:]]*[^Z]' "/proc/$pid/status" 2>/dev/null; do sleep 0.05; done
fi
setsid "${NODE}" server.cjs >/dev/null 2>&1 </dev/null &
echo $! >"$pidfile"
`

/** Files of the app; on the hosts that `badOn` names it is not healthy, and on those of `fallsIllOn` not for long. */
export function servedApp(badOn: readonly string[] = [], fallsIllOn: readonly string[] = []): Record<string, string> {
  const named = (hosts: readonly string[]): string => `${hosts.join(' ')}\n`
  return { 'server.cjs': SERVER, 'restart.sh': RESTART, BAD: named(badOn), FALLS_ILL: named(fallsIllOn) }
}

/** Settings of a release of it. */
export const SERVED = {
  hooks: { afterSwitch: ['sh restart.sh'] },
  health: [
    {
      exec: `curl -fsS "http://$APP_ADDRESS:${APP_PORT}/healthz" | grep -x "$SHIP_VERSION"`,
      interval: '100ms',
      deadline: '8s',
    },
  ],
}

/** What a host's hooks and checks are told. */
export function servedEnv(address: string): Record<string, string> {
  return { APP_ADDRESS: address, TEST_PID: String(process.pid) }
}

/** Ends the app of each host. */
export function endApps(deployTo: readonly string[]): void {
  for (const dir of deployTo) {
    try {
      const pid = Number(readFileSync(join(dir, 'app.pid'), 'utf8'))
      process.kill(pid, 'SIGKILL')
    } catch {
      // It never ran, or it is gone.
    }
  }
}
