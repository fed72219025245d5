/** Removes a folder, whatever recipes left in it. */
import { rm } from 'node:fs/promises'
import { runLocal } from '../process.ts'

/** Package managers make their caches read-only, and what is in a folder that may not be written to cannot be removed from it. */
export async function removeTree(folder: string): Promise<void> {
  try {
    await rm(folder, { recursive: true, force: true })
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && (error.code === 'EACCES' || error.code === 'EPERM'))) throw error
    await runLocal(['chmod', '-R', 'u+rwX', folder], { signal: new AbortController().signal })
    await rm(folder, { recursive: true, force: true })
  }
}
