/** Times in which nothing is released: `freeze` of the configuration. Compared by the wall clock of their zone, so summer time needs no care. */
import { z } from 'zod'

const DAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun']
const CLOCK = /^(?:([01]?\d|2[0-3]):([0-5]\d)|24:00)$/
const DAY_MINUTES = 24 * 60

/** `week`: minutes since Monday 00:00; `day`: since midnight; `date`: "2026-12-20 18:00". A frozen time begins at `from` and ends before `to`. */
export type Freeze = {
  /** As it was written: "Fri 16:00 to Mon 08:00". */
  readonly title: string
  readonly ends: string
  readonly zone: string
  readonly why: string | undefined
} & (
  | { readonly every: 'week' | 'day'; readonly from: number; readonly to: number }
  | { readonly every: 'never'; readonly from: string; readonly to: string }
)

type Edge = { readonly every: 'week' | 'day'; readonly at: number } | { readonly every: 'never'; readonly at: string }

/** An edge without a time is the begin of its day, or as an end the end of it. */
function parseEdge(text: string, isEnd: boolean): Edge | undefined {
  const [first = '', ...rest] = text.trim().split(/[ T]+/)
  const clock = rest.length > 0 ? rest.join(' ') : undefined
  const bare = minutesOf(first)
  if (bare !== undefined && clock === undefined) return { every: 'day', at: bare }
  const minutes = clock === undefined ? (isEnd ? DAY_MINUTES : 0) : minutesOf(clock)
  if (minutes === undefined) return undefined
  const day = DAYS.findIndex((name) => first.toLowerCase().startsWith(name.toLowerCase()) && isDayName(first))
  if (day >= 0) return { every: 'week', at: day * DAY_MINUTES + minutes }
  if (!isDate(first)) return undefined
  // "24:00" sorts behind every time of its day, and before the next day.
  return { every: 'never', at: `${first} ${two(Math.floor(minutes / 60))}:${two(minutes % 60)}` }
}

function isDayName(text: string): boolean {
  return /^(?:mon(?:day)?|tue(?:sday)?|wed(?:nesday)?|thu(?:rsday)?|fri(?:day)?|sat(?:urday)?|sun(?:day)?)$/i.test(text)
}

function minutesOf(clock: string): number | undefined {
  const match = CLOCK.exec(clock)
  if (!match) return undefined
  return match[1] === undefined ? DAY_MINUTES : Number(match[1]) * 60 + Number(match[2])
}

function isDate(text: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return false
  const time = new Date(`${text}T00:00:00Z`)
  return !Number.isNaN(time.getTime()) && time.toISOString().startsWith(text)
}

function isZone(zone: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions().timeZone !== ''
  } catch {
    return false
  }
}

const edge = z
  .string()
  .refine(
    (text) => parseEdge(text, false) !== undefined,
    'is no time; write "Fri 16:00", "22:00" or "2026-12-20 18:00"',
  )

const window = z
  .strictObject({
    from: edge.describe('"Fri 16:00" every week, "22:00" every day, or a date: "2026-12-20", "2026-12-20 18:00"'),
    to: edge.describe('The same kind; a day without a time is frozen to its end'),
    zone: z
      .string()
      .refine(isZone, 'is no time zone; write "Europe/Berlin" or "UTC"')
      .default('UTC')
      .describe('Whose clock counts; default UTC'),
    why: z.string().min(1).optional().describe('Told to who is refused'),
  })
  .transform(({ from, to, zone, why }, context): Freeze => {
    const [begin, end] = [parseEdge(from, false), parseEdge(to, true)]
    const refuse = (message: string): never => {
      context.issues.push({ code: 'custom', input: to, path: ['to'], message })
      return z.NEVER
    }
    if (!begin || !end || begin.every !== end.every) return refuse('is another kind of time than "from"')
    const common = { title: `${from} to ${to}`, ends: to, zone, why }
    if (begin.every === 'never') {
      if (end.every !== 'never' || end.at <= begin.at) return refuse('does not lie behind "from"')
      return { ...common, every: 'never', from: begin.at, to: end.at }
    }
    if (end.every === 'never') return refuse('is another kind of time than "from"')
    if (begin.at === end.at) return refuse('is the same time as "from"')
    return { ...common, every: begin.every, from: begin.at, to: end.at }
  })

export const freeze = z.array(window).describe('When nothing is released, unless --during-freeze is given')

/** The first window that a moment lies in; undefined: none. */
export function frozenAt(windows: readonly Freeze[], now: Date): Freeze | undefined {
  return windows.find((one) => {
    const { date, minutes, day } = wallClock(now, one.zone)
    if (one.every === 'never') {
      const text = `${date} ${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`
      return one.from <= text && text < one.to
    }
    const at = one.every === 'week' ? day * DAY_MINUTES + minutes : minutes
    // A window may reach over midnight, or over Sunday.
    return one.from < one.to ? one.from <= at && at < one.to : at >= one.from || at < one.to
  })
}

/** Date, minutes since midnight and day of the week (Monday is 0), as a clock in the zone shows them. */
function wallClock(now: Date, zone: string): { date: string; minutes: number; day: number } {
  const parts = new Intl.DateTimeFormat('en-GB', {
    timeZone: zone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    weekday: 'short',
    hourCycle: 'h23',
  }).formatToParts(now)
  const part = (type: string): string => parts.find((p) => p.type === type)?.value ?? ''
  return {
    date: `${part('year')}-${part('month')}-${part('day')}`,
    minutes: Number(part('hour')) * 60 + Number(part('minute')),
    day: DAYS.indexOf(part('weekday')),
  }
}

function two(number: number): string {
  return String(number).padStart(2, '0')
}
