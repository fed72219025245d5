/** Quantities as people write them: "30s", "25%", "10MB". Parsed once at the border; inside, names say the unit (timeoutMs). */
import { z } from 'zod'

const MS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Milliseconds of "500ms", "30s", "5m", "1h", "1.5h", "1h30m"; undefined when it is no duration. A bare number has no unit and is none. */
function parseDuration(text: string): number | undefined {
  const parts = [...text.trim().matchAll(/(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)/g)]
  if (parts.length === 0 || parts.map((p) => p[0]).join('') !== text.trim()) return undefined
  return parts.reduce((sum, [, number = '', unit = '']) => sum + Number(number) * (MS[unit] ?? Number.NaN), 0)
}

/** A part of the whole between 0 and 1 from "25%"; undefined when it is none. */
export function parseShare(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)%$/.exec(text.trim())
  const share = match ? Number(match[1]) / 100 : Number.NaN
  return share > 0 && share <= 1 ? share : undefined
}

/** A duration in the configuration; its output is milliseconds. */
export const duration = z
  .string({ error: 'a duration is text with its unit, for example "30s" or "5m"' })
  .refine((text) => parseDuration(text) !== undefined, 'is not a duration; write "500ms", "30s", "5m" or "1h"')
  .transform((text) => parseDuration(text) ?? 0)
  .meta({ description: 'A duration with its unit: "500ms", "30s", "5m", "1h"' })
