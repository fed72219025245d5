/** Times, counts and rates as people read them. */
import type { Progress } from '../events.ts'
import { size } from '../size.ts'

/** "40 ms", "2.1 s", "3 min 20 s", "2 h 5 min", "3 d 4 h". */
export function duration(ms: number): string {
  if (ms < 99.5) return `${Math.max(0, Math.round(ms))} ms`
  if (ms < 59_950) return `${(ms / 1000).toFixed(ms < 9950 ? 1 : 0)} s`
  const seconds = Math.round(ms / 1000)
  if (seconds < 3600) return pair(seconds, 60, 'min', 1, 's')
  if (seconds < 86_400) return pair(seconds, 3600, 'h', 60, 'min')
  return pair(seconds, 86_400, 'd', 3600, 'h')
}

/** "just now", "5 min ago": how long ago an ISO 8601 time was. Text that is no time is returned as it is. */
export function ago(time: string, now: number): string {
  const then = Date.parse(time)
  if (Number.isNaN(then)) return time
  const seconds = Math.round((now - then) / 1000)
  if (seconds < 5) return 'just now'
  if (seconds < 90) return `${seconds} s ago`
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min ago`
  if (seconds < 36 * 3600) return `${Math.round(seconds / 3600)} h ago`
  return `${Math.round(seconds / 86_400)} d ago`
}

/** "3 hosts", "1 host". */
export function count(n: number, one: string, many = `${one}s`): string {
  return `${n} ${n === 1 ? one : many}`
}

/** Speed of long work over the last seconds, from what was done when. */
export interface Meter {
  add(done: number, now: number): void
  /** Per second; undefined until two samples are far enough apart to mean something. */
  rate(): number | undefined
}

const WINDOW_MS = 8000
/** Samples that come closer than this are one: an archive of thousands of small files tells of each. */
const CLOSE_MS = 100

export function meter(): Meter {
  const samples: { readonly done: number; readonly now: number }[] = []
  return {
    add(done, now) {
      const [before, last] = samples.slice(-2)
      if (before && last && last.now - before.now < CLOSE_MS) samples.pop()
      samples.push({ done, now })
      while (samples[0] && now - samples[0].now > WINDOW_MS) samples.shift()
    },
    rate() {
      const first = samples[0]
      const last = samples.at(-1)
      if (!first || !last || last.now - first.now < 200 || last.done <= first.done) return undefined
      return ((last.done - first.done) * 1000) / (last.now - first.now)
    },
  }
}

/** "12 MB of 120 MB, 40.0 MB/s, 3 s left". */
export function progressText(progress: Progress, rate: number | undefined): string {
  const amount = progress.unit === 'bytes' ? size : (n: number) => String(Math.round(n))
  const parts = [
    progress.total === undefined ? amount(progress.done) : `${amount(progress.done)} of ${amount(progress.total)}`,
  ]
  if (progress.unit === 'files') parts[0] += ' files'
  if (rate !== undefined) {
    parts.push(`${amount(rate)}/s`)
    const left = progress.total === undefined ? 0 : (progress.total - progress.done) / rate
    if (left >= 1) parts.push(`${left < 10 ? `${Math.round(left)} s` : duration(Math.round(left) * 1000)} left`)
  }
  return parts.join(', ')
}

function pair(seconds: number, big: number, bigName: string, small: number, smallName: string): string {
  const rest = Math.floor((seconds % big) / small)
  return `${Math.floor(seconds / big)} ${bigName}${rest > 0 ? ` ${rest} ${smallName}` : ''}`
}
