/** Strategies and numbers of hosts as they are typed. */
import { amountOf, type Amount } from '../config/amount.ts'
import type { Strategy } from '../config/environment.ts'
import { strategy as schema, strategyOf as fromConfig } from '../config/strategy.ts'
import { ShipError } from '../errors.ts'
import { parseDuration, parseShare } from '../units.ts'

const FORMS = 'use all, rolling, rolling:2, rolling:25%:30s (pause), canary, canary:2:10m (bake) or waves:1,10%,100%'

/** TYPE[:HOSTS[:TIME]]: "all", "rolling:25%", "rolling:2:30s" with a pause, "canary:1:5m" and "waves:1,10%,100%:5m" with a bake time. */
export function strategyOf(text: string): Strategy {
  const [type = '', hosts, time, ...more] = text.split(':')
  const written = more.length > 0 ? undefined : writtenForm(type, hosts, time)
  const parsed = written === undefined ? undefined : schema.safeParse(written)
  if (parsed?.success === true) return fromConfig(parsed.data)
  throw new ShipError('usage', `"${text}" is no strategy`, { next: [FORMS] })
}

/** What the configuration would say; undefined for what is no strategy. */
function writtenForm(type: string, hosts: string | undefined, time: string | undefined): unknown {
  if (time !== undefined && parseDuration(time) === undefined) return undefined
  if (type === 'all') return hosts === undefined ? type : undefined
  const first = hosts === undefined ? undefined : numberOrText(hosts)
  if (type === 'rolling') return { type, batch: first, pause: time }
  if (type === 'canary') return { type, count: first, bake: time }
  if (type === 'waves' && hosts !== undefined) return { type, waves: hosts.split(',').map(numberOrText), bake: time }
  return undefined
}

/** "2" or "10%" behind a flag such as --max-failed. */
export function hostsOf(flag: string, text: string): Amount {
  if (/^\d{1,6}$/.test(text) || parseShare(text) !== undefined) return amountOf(numberOrText(text))
  throw new ShipError('usage', `--${flag}: "${text}" is no number of hosts`, { next: ['use a number like 2 or 10%'] })
}

function numberOrText(text: string): number | string {
  return /^\d{1,6}$/.test(text) ? Number(text) : text
}
