/** Any command that takes a host out of its load balancer, and one that puts it back; run on the host, here, or on other hosts. */
import { z } from 'zod'
import { ShipError } from '../errors.ts'
import { escapeControls } from '../names.ts'
import type { Drain } from './drain.ts'

const commandLine = z.union([z.string().min(1), z.array(z.string().min(1)).min(1)])

const options = z.strictObject({
  drain: commandLine.describe(
    'A shell command, or a program and its arguments; ends when nothing is sent to the host any more',
  ),
  undrain: commandLine.describe('The opposite; it may be run for a host that was not taken out'),
})

export const command: Drain<z.output<typeof options>> = {
  type: 'command',
  options,
  onBalancers: false,
  describe: ({ drain }) => `command ${typeof drain === 'string' ? drain : drain.join(' ')}`,
  // Nobody can ask a command where it stands.
  pools: () => Promise.resolve([]),
  async change(host, asked, { servers, to, waitMs, signal }) {
    const wanted = to === 'drained' ? asked.drain : asked.undrain
    const argv = typeof wanted === 'string' ? ['sh', '-c', wanted] : wanted
    const title = typeof wanted === 'string' ? wanted : wanted.join(' ')
    for (const { env } of servers) {
      const { code, timedOut, stdout, stderr } = await host.run(argv, { env, timeoutMs: waitMs, signal })
      if (code === 0) continue
      const how = timedOut ? `was still running after ${waitMs / 1000} s` : `ended with ${code ?? 'a signal'}`
      const details = `${stdout}\n${stderr}`
        .trim()
        .split('\n')
        .slice(-8)
        .map((line) => escapeControls(line).slice(0, 300))
      throw new ShipError('not-switched', `"${escapeControls(title)}" ${how}`, { details })
    }
    return { settle: () => Promise.resolve(undefined) }
  },
}
