/**
 * nginx: the servers of `upstream` blocks in a file on the balancer are marked `down`, or the file is written from a template; the whole
 * configuration is tested, and reloaded only when the test passed. Requests under way end with the workers that were there before.
 *
 * Source: nginx.org/en/docs/control.html: on HUP the master starts new workers and asks the old ones to shut down gracefully.
 */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { z } from 'zod'
import { messageOf, ShipError } from '../errors.ts'
import { escapeControls } from '../names.ts'
import { ownFile } from '../own-files.ts'
import type { Change, Changed, Drain, DrainHost, DrainScope } from './drain.ts'
import { PLACEHOLDER, poolsIn, rendered, withServers } from './nginx-text.ts'

const options = z.strictObject({
  file: z
    .string()
    .regex(/^\/[^\0]*[^/\0]$/, 'must be the absolute path of a file')
    .describe('The file on the balancer that holds the servers of the upstream'),
  upstream: z.string().min(1).optional().describe('Only servers of this upstream; default: all of the file'),
  template: z
    .string()
    .min(1)
    .optional()
    .describe(`A file of the project that becomes the file on the balancer; its line with ${PLACEHOLDER} is repeated`),
  test: z.string().min(1).default('nginx -t').describe('Shell command that tests the configuration'),
  reload: z.string().min(1).default('nginx -s reload').describe('Shell command that reloads it'),
  pid: z
    .string()
    .startsWith('/', 'must be an absolute path')
    .default('/run/nginx.pid')
    .describe("File of the master's process id"),
})
type Options = z.output<typeof options>

/** A text goes in the argument of a shell, and Linux allows 128 KiB for one. */
const MAX_TEXT_BYTES = 90_000
/** Other runs may edit the file at the same moment; each time one of them gets through. */
const MAX_TRIES = 20
const READ = '[ -r "$2" ] || exit 66; [ -e "$1" ] || exit 65; exec cat -- "$1"'
const WAIT = `n=$(($1 * 5)); shift
while :; do
  left=
  for pid in "$@"; do [ -d "/proc/$pid" ] && left="$left $pid"; done
  [ -n "$left" ] && [ "$n" -gt 0 ] || break
  n=$((n - 1)); sleep 0.2 2>/dev/null || { sleep 1; n=$((n - 4)); }
done
printf '%s' "$left"`

export const nginx: Drain<Options> = {
  type: 'nginx',
  options,
  onBalancers: true,
  describe: ({ file }) => `nginx ${file}`,
  async pools(host, asked, scope) {
    const text = await current(host, asked, scope)
    return poolsIn(asked.template === undefined ? text : await fromTemplate(text, asked, scope), asked.upstream)
  },
  async change(host, asked, change) {
    for (let tries = 1; ; tries++) {
      const old = await current(host, asked, change)
      const changed = await edit(host, asked, { ...change, old })
      if (changed) return changed
      if (tries === MAX_TRIES)
        throw new ShipError('not-switched', `"${asked.file}" was changed by somebody else each time ship read it`)
    }
  },
}

/** The file as it is; "" when there is none and a template can make it. */
async function current(host: DrainHost, { file, template, pid }: Options, { signal }: DrainScope): Promise<string> {
  const { code, stdout, stderr } = await host.run(['sh', '-c', READ, 'ship', file, pid], { signal })
  if (code === 0) return stdout
  if (code === 65 && template !== undefined) return ''
  if (code === 65) throw new ShipError('config', `there is no file "${file}"`)
  if (code === 66) {
    const next = ['start nginx there, or set "pid" of this drain to the file of its process id']
    throw new ShipError('config', `there is no file "${pid}", by which ship knows nginx's workers`, { next })
  }
  throw new ShipError('config', `"${file}" could not be read`, { details: lastLines(stderr) })
}

/** The template with all servers. One that the file does not know was never up: it comes in by its own release. */
async function fromTemplate(old: string, asked: Options, { all, projectDir }: DrainScope): Promise<string> {
  const path = resolve(projectDir, asked.template ?? '')
  const template = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new ShipError('config', `the template "${asked.template}" cannot be read: ${messageOf(error)}`)
  })
  if (!template.includes(PLACEHOLDER))
    throw new ShipError('config', `the template "${asked.template}" has no line with ${PLACEHOLDER}`)
  const known = poolsIn(old).flatMap((pool) => [...pool.servers])
  const down = all.filter((server) => known.find(([name]) => name === server)?.[1] !== 'in')
  return withServers(rendered(template, all), { servers: new Set(down), to: 'drained' })
}

/** Undefined when the file is not what it was any more. */
async function edit(
  host: DrainHost,
  asked: Options,
  change: Change & { readonly old: string },
): Promise<Changed | undefined> {
  const { old, to, waitMs } = change
  const base = asked.template === undefined ? old : await fromTemplate(old, asked, change)
  const servers = new Set(change.servers.map(({ server }) => server))
  const text = withServers(base, { servers, to, upstream: asked.upstream })
  if (Buffer.byteLength(text) > MAX_TEXT_BYTES)
    throw new ShipError('config', `"${asked.file}" is larger than ${MAX_TEXT_BYTES} bytes`)
  const digest = old === '' && asked.template !== undefined ? 'none' : sha256(old)
  const seconds = String(Math.max(5, Math.ceil(waitMs / 1000)))
  // What is drained already may have been left by a run that died before the old workers were through.
  const args = [asked.file, digest, text, asked.test, asked.reload, asked.pid, seconds, to === 'drained' ? 'yes' : 'no']
  // Waited for to its end: the script makes an edit whole, or takes it back.
  const signal = AbortSignal.timeout(waitMs * 3 + 120_000)
  const { code, stdout, stderr } = await host.run(['sh', '-c', applyText(), 'ship', ...args], { signal })
  if (code === 75) return undefined
  if (code !== 0) throw refusal(asked, code, lastLines(`${stdout}\n${stderr}`))
  const workers = /^workers ([\d ]*)$/m.exec(stdout)?.[1]?.split(' ').filter(Boolean) ?? []
  return { settle: () => (to === 'drained' ? ended(host, workers, change) : Promise.resolve(undefined)) }
}

function refusal({ file, test, reload }: Options, code: number | null, details: readonly string[]): ShipError {
  if (code === 65) {
    const message = `"${test}" refuses the configuration; "${file}" is as it was and nothing was reloaded`
    return new ShipError('not-switched', message, { details })
  }
  if (code === 66) return new ShipError('not-switched', `"${reload}" did not work; "${file}" is as it was`, { details })
  return new ShipError('not-switched', `"${file}" could not be changed`, { details })
}

/** Waits until workers are gone. */
async function ended(
  host: DrainHost,
  workers: readonly string[],
  { waitMs, signal }: Change,
): Promise<string | undefined> {
  if (workers.length === 0) return undefined
  const seconds = String(Math.ceil(waitMs / 1000))
  const { stdout } = await host.run(['sh', '-c', WAIT, 'ship', seconds, ...workers], { signal })
  const left = stdout.trim().split(' ').filter(Boolean).length
  if (left === 0) return undefined
  return `after ${seconds} s ${left} of the nginx workers from before still had requests under way`
}

function applyText(): string {
  return ownFile('src/drain/apply.sh').replaceAll(/^\s*#.*\n/gm, '')
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function lastLines(text: string): readonly string[] {
  return text
    .trim()
    .split('\n')
    .slice(-8)
    .filter((line) => line !== '')
    .map((line) => escapeControls(line).slice(0, 300))
}
