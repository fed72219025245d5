/** Amounts of bytes for people. */

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'] as const

/** "0 B", "12.3 MB", "340 MB": three significant digits at most. Decimal (1 MB = 1,000,000 bytes), as transfer rates are. */
export function size(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000
    unit += 1
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : 1
  return `${value.toFixed(digits)} ${UNITS[unit] ?? 'B'}`
}
