/** Asks systemd on the host whether a unit is up, and stays up: one that is started again and again looks well most of the time. */
import { z } from 'zod'
import { escapeControls } from '../names.ts'
import type { Gate, GateMemory, ProbeAnswer } from './gate.ts'

const options = z.strictObject({
  systemd: z
    .string()
    .regex(/^[A-Za-z0-9:_.@\\][A-Za-z0-9:_.@\\-]*$/, 'is not the name of a unit; write "shop.service"')
    .describe('Unit that must be active: "shop.service"'),
  state: z
    .string()
    .min(1)
    .optional()
    .describe(
      'Its sub-state; default "running" for a service, any for other units. "exited" for one that does its work once',
    ),
  user: z.boolean().default(false).describe("A unit of the deploy user's own manager (systemctl --user)"),
})

type Options = z.output<typeof options>

const PROPERTIES = ['LoadState', 'ActiveState', 'SubState', 'NRestarts', 'Result']
const RESTARTS = 'restarts'

export const systemd: Gate<Options> = {
  key: 'systemd',
  options,
  describe: (asked) => {
    const state = wantedState(asked)
    return `systemd ${asked.systemd} is active${state === undefined ? '' : ` (${state})`} and is not restarting`
  },
  evidence: ({ systemd: unit, user }) => [
    {
      title: `systemctl status ${unit}`,
      argv: ['systemctl', 'status', ...(user ? ['--user'] : []), '--no-pager', '--lines=20', '--', unit],
    },
  ],
  async probe(host, asked, signal, memory = new Map()) {
    const flags = [...(asked.user ? ['--user'] : []), ...PROPERTIES.map((name) => `--property=${name}`)]
    const argv = ['systemctl', 'show', ...flags, '--', asked.systemd]
    const { code, stdout, stderr } = await host.run(argv, { signal, maxOutputBytes: 64 * 1024 })
    if (code === 127 || code === 126) return { ok: false, said: 'the host has no systemctl' }
    if (code !== 0) {
      const last = escapeControls(stderr.trim().split('\n').at(-1) ?? '').slice(0, 200)
      return { ok: false, said: `systemctl ended with ${code ?? 'a signal'}${last === '' ? '' : `: ${last}`}` }
    }
    return judge(asked, readProperties(stdout), memory)
  },
}

function judge(asked: Options, unit: ReadonlyMap<string, string>, memory: GateMemory): ProbeAnswer {
  const [load, active, sub, restarts, result] = PROPERTIES.map((name) =>
    escapeControls(unit.get(name) ?? '').slice(0, 80),
  )
  if (load !== 'loaded') return { ok: false, said: `the unit is ${load === '' ? 'not known' : load}` }
  const wanted = wantedState(asked)
  const state = `${active} (${sub})`
  const before = memory.get(RESTARTS)
  memory.set(RESTARTS, restarts ?? '')
  if (active !== 'active' || (wanted !== undefined && sub !== wanted)) {
    const why = result === '' || result === 'success' ? '' : `: ${result}`
    const often = Number(restarts) > 0 ? `, restarted ${restarts} times` : ''
    return { ok: false, said: `${state}${why}${often}` }
  }
  // The counter begins anew when the unit is started by hand, so only its growth means something.
  if (before !== undefined && Number(restarts) > Number(before)) {
    return { ok: false, said: `${state}, but was restarted again (${restarts} times by now)` }
  }
  return { ok: true, said: state }
}

function wantedState({ systemd: unit, state }: Options): string | undefined {
  const isService = unit.endsWith('.service') || !/\.[a-z]+$/.test(unit)
  return state ?? (isService ? 'running' : undefined)
}

/** Lines `Name=value`. */
function readProperties(text: string): ReadonlyMap<string, string> {
  return new Map(
    text.split('\n').flatMap((line): [string, string][] => {
      const at = line.indexOf('=')
      return at > 0 ? [[line.slice(0, at), line.slice(at + 1)]] : []
    }),
  )
}
