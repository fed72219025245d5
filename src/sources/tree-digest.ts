/** One digest for what lies in a folder. */
import { createHash } from 'node:crypto'
import type { Entry } from '../tree/manifest.ts'

/** sha256 over paths, modes, contents and link targets, hexadecimal. Entries must be sorted. */
export function treeDigest(entries: readonly Entry[]): string {
  const sum = createHash('sha256')
  for (const entry of entries) sum.update(`${JSON.stringify([entry.path, fingerprint(entry)])}\n`)
  return sum.digest('hex')
}

/** What tells one state of a path from another. */
export function fingerprint(entry: Entry): string {
  if (entry.type === 'file') return `${entry.mode.toString(8)} ${entry.sha256}`
  return entry.type === 'link' ? `-> ${entry.target}` : 'dir'
}
