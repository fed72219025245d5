/** Values of a read configuration as they are written in a file: "timeout": "3s", where inside it is a number of milliseconds. */
import { durationText, rateText } from '../units.ts'

const DURATIONS = /^(?:interval|timeout|deadline|hold|wait|for|confirm|lock|pause|bake)$/

interface Leaf {
  readonly path: readonly string[]
  readonly value: unknown
}

/** Undefined for what no file has: the kind of a check, which is the name of its first key. */
export function asWritten({ path, value }: Leaf): Leaf | undefined {
  const isCheck = path.includes('health')
  if (isCheck && path.at(-1) === 'kind') return undefined
  const keys = isCheck || path.includes('drain') ? path.filter((key) => key !== 'options') : path
  const last = keys.at(-1) ?? ''
  const name = isCheck ? last.replace(/Ms$/, '') : last
  const own = [...keys.slice(0, -1), name]
  if (typeof value !== 'number') return { path: own, value }
  if (DURATIONS.test(name)) return { path: own, value: durationText(value) }
  return { path: own, value: name === 'limit' ? rateText(value) : value }
}
