/** Quantities as people write them: "30s", "25%", "10MB". Parsed once at the border; inside, names say the unit (timeoutMs). */
import { z } from 'zod'

const MS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Milliseconds of "500ms", "30s", "5m", "1h", "1.5h", "1h30m"; undefined when it is no duration. A bare number has no unit and is none. */
export function parseDuration(text: string): number | undefined {
  const parts = [...text.trim().matchAll(/(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)/g)]
  if (parts.length === 0 || parts.map((p) => p[0]).join('') !== text.trim()) return undefined
  return parts.reduce((sum, [, number = '', unit = '']) => sum + Number(number) * (MS[unit] ?? Number.NaN), 0)
}

/** The shortest text that is read as so many milliseconds: "90s", "5m". */
export function durationText(ms: number): string {
  const unit = ['d', 'h', 'm', 's'].find((name) => ms > 0 && ms % (MS[name] ?? 1) === 0) ?? (ms === 0 ? 's' : 'ms')
  return `${ms / (MS[unit] ?? 1)}${unit}`
}

/** A part of the whole between 0 and 1 from "25%"; undefined when it is none. */
export function parseShare(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)%$/.exec(text.trim())
  const share = match ? Number(match[1]) / 100 : Number.NaN
  return share > 0 && share <= 1 ? share : undefined
}

const BYTES: Record<string, number> = { kB: 1e3, MB: 1e6, GB: 1e9, kbit: 125, Mbit: 125_000, Gbit: 125_000_000 }

/** Bytes a second of "5MB/s" or "20Mbit/s"; undefined when it is none. */
function parseRate(text: string): number | undefined {
  const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?)\s*([kMG](?:B|bit))\/s$/.exec(text.trim()) ?? []
  const rate = Number(number) * (BYTES[unit] ?? Number.NaN)
  return rate > 0 ? rate : undefined
}

/** The text that is read as so many bytes a second: "5MB/s". */
export function rateText(bytes: number): string {
  const unit = ['GB', 'MB', 'kB'].find((name) => bytes % (BYTES[name] ?? 1) === 0) ?? 'kB'
  return `${bytes / (BYTES[unit] ?? 1)}${unit}/s`
}

/** Bytes a second in the configuration. */
export const rate = z
  .string({ error: 'a rate is text with its unit, for example "5MB/s"' })
  .refine((text) => parseRate(text) !== undefined, 'is not a rate; write "500kB/s", "5MB/s" or "20Mbit/s"')
  .transform((text) => parseRate(text) ?? 0)
  .meta({ description: 'Bytes or bits a second with their unit: "500kB/s", "5MB/s", "20Mbit/s"' })

/** A duration in the configuration; its output is milliseconds. */
export const duration = z
  .string({ error: 'a duration is text with its unit, for example "30s" or "5m"' })
  .refine((text) => parseDuration(text) !== undefined, 'is not a duration; write "500ms", "30s", "5m" or "1h"')
  .transform((text) => parseDuration(text) ?? 0)
  .meta({ description: 'A duration with its unit: "500ms", "30s", "5m", "1h"' })
