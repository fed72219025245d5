/**
 * Hosts that give their files by SFTP and run nothing: real sshd with `ForceCommand internal-sftp` and `ChrootDirectory`. sshd locks users
 * only into folders that are root's all the way down, which /tmp is not.
 */
import { accessSync, constants, existsSync, mkdtempSync } from 'node:fs'
import { describe } from 'vitest'
import { startFleet, type Fleet } from './fleet.ts'

const SSHD = ['/usr/sbin/sshd', '/usr/local/sbin/sshd', '/usr/bin/sshd'].some((path) => existsSync(path))
const BASE = '/run'

/** Skipped, and counted as such, where no sshd or no right to chroot is. */
export const describeInChroot = describe.skipIf(!SSHD || !mayChroot())

function mayChroot(): boolean {
  if (process.getuid?.() !== 0) return false
  try {
    accessSync(BASE, constants.W_OK)
    return true
  } catch {
    return false
  }
}

export interface FilesOnlyOptions {
  /** Arguments of internal-sftp: `-P` takes requests away. */
  readonly server?: string
  /** Further lines of sshd_config. */
  readonly config?: readonly string[]
}

/** A fleet whose hosts see its folder as /. */
export function startFilesOnly(size: number, { server = '', config = [] }: FilesOnlyOptions = {}): Promise<Fleet> {
  const dir = mkdtempSync(`${BASE}/ship-files-`)
  const lines = [`ChrootDirectory ${dir}`, `ForceCommand internal-sftp ${server}`.trim(), ...config]
  return startFleet(size, { dir, config: lines })
}

/** A path below the fleet's folder as its hosts name it. */
export function asSeen({ dir }: Fleet, path: string): string {
  return path.slice(dir.length)
}
