/** Placeholders in the addresses that gates ask: `{host}`, `{address}`, `{LABEL}`. */
import { ShipError } from '../errors.ts'
import type { GateScope } from './gate.ts'

const PLACEHOLDER = /\{([^{}]*)\}/g

/** The text with its placeholders filled; what is not known stays as it is. */
export function withNames(text: string, names: Readonly<Record<string, string>> = {}): string {
  return text.replaceAll(PLACEHOLDER, (whole, key: string) => names[key] ?? whole)
}

/** Refuses a placeholder that a host has nothing for. Reason `config`. */
export function refuseUnknownNames(text: string, { hosts }: GateScope): void {
  for (const [, key = ''] of text.matchAll(PLACEHOLDER)) {
    const lacking = hosts.find(({ names }) => names[key] === undefined)
    if (!lacking) continue
    throw new ShipError(
      'config',
      `host "${lacking.name}" has no label "${key}", which the health check "${text}" asks for`,
      {
        next: [`give it one: { host: "${lacking.name}", labels: { ${key}: "..." } }`],
      },
    )
  }
}
