/** The version of ship itself. */
import { ownFile } from './own-files.ts'

/** As package.json tells it. */
export function ownVersion(): string {
  const parsed: unknown = JSON.parse(ownFile('package.json'))
  return parsed !== null && typeof parsed === 'object' && 'version' in parsed ? String(parsed.version) : 'unknown'
}
