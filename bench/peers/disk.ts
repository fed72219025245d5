/**
 * A new file system for the host, in a file. How quickly an old and nearly full one finds room for thousands of files says more of its
 * past than of any program.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'

const SIZE = '6G'

export interface HostDisk {
  /** For the report. */
  readonly summary: string
  dispose(): void
}

/** Mounts a new ext4 at `dir`, which is made. Where that cannot be, the folder lies on what is there, and the report says so. */
export function hostDisk(dir: string): HostDisk {
  mkdirSync(dir, { recursive: true })
  if (process.getuid?.() !== 0 || !existsSync('/dev/loop-control')) {
    return { summary: 'the host has a folder of this machine', dispose: () => undefined }
  }
  const image = `${dir}.image`
  const run = (...argv: readonly [string, ...string[]]): void => {
    const [program, ...args] = argv
    execFileSync(program, args, { stdio: 'pipe' })
  }
  run('fallocate', '-l', SIZE, image)
  run('mkfs.ext4', '-F', '-q', '-E', 'lazy_itable_init=0,lazy_journal_init=0', image)
  run('mount', '-o', 'loop', image, dir)
  return {
    summary: 'the host has a new ext4 in a file on it',
    // Lazily, for a killed program may still be in it.
    dispose: () => run('umount', '-l', dir),
  }
}
