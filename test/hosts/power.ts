/**
 * A disk of its own that loses power when told to. A file is mounted as ext4 or xfs; `cut` is the file system's shutdown call without
 * a flush of its log: what had not reached the file is gone, and every program that still writes gets an error. Mounted again, it holds
 * what a machine would find after the cut. Needs root.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export const FILE_SYSTEMS = ['ext4', 'xfs'] as const
export type FileSystem = (typeof FILE_SYSTEMS)[number]

export interface Disk {
  /** Where it is mounted. */
  readonly dir: string
  /** What is on it now is what `restore` goes back to. */
  save(): Promise<void>
  restore(): Promise<void>
  /** The power goes, at once. */
  cut(): void
  /** The same as a line for a shell. */
  readonly cutLine: string
  /** The power is back: what survived can be read. */
  mountAgain(): Promise<void>
  dispose(): Promise<void>
}

/** Bytes of a disk, almost all of them holes; xfs takes none that is smaller. Tables are written at once: nothing works behind our back. */
const KINDS = {
  ext4: { size: 48 * 1024 * 1024, make: ['-F', '-q', '-E', 'lazy_itable_init=0,lazy_journal_init=0'] },
  xfs: { size: 320 * 1024 * 1024, make: ['-f', '-q'] },
} as const

/** So often it is looked, with 25 ms between, whether the last program has let go of a disk: a slow machine takes its time. */
const PATIENCE = 2400

/** EXT4_IOC_SHUTDOWN and XFS_IOC_GOINGDOWN are one number; 2 is NOLOGFLUSH. */
const SHUTDOWN =
  'open(my $dir, "<", $ARGV[0]) or die "$ARGV[0]: $!"; my $how = pack("L", 2); ioctl($dir, 0x8004587d, $how) or die "shutdown: $!"'

/** Why no disk of that kind can be had here; undefined: it can. */
export function whyNoDisk(kind: FileSystem): string | undefined {
  if (process.getuid?.() !== 0) return 'mounting a disk needs root'
  if (!existsSync('/dev/loop-control')) return 'there are no loop devices'
  if (!existsSync(`/usr/sbin/mkfs.${kind}`)) return `mkfs.${kind} is missing`
  if (!existsSync('/usr/bin/perl')) return 'perl is missing'
  return undefined
}

/** `options`: those of mount, such as "commit=1". `folder` gets the image and the mount point. */
export async function makeDisk(folder: string, kind: FileSystem, options: readonly string[] = []): Promise<Disk> {
  const dir = join(folder, 'disk')
  const image = join(folder, 'image')
  const saved = join(folder, 'image.saved')
  mkdirSync(dir, { recursive: true })
  // Shared, so that an unmounted disk goes from the mount namespaces of other programs too. Where one of them kept it, it would be
  // in use, and mounting it again would give what is in memory there, not what is on it.
  execFileSync('mount', ['--bind', folder, folder])
  execFileSync('mount', ['--make-shared', folder])
  writeFileSync(image, '')
  truncateSync(image, KINDS[kind].size)
  execFileSync(`/usr/sbin/mkfs.${kind}`, [...KINDS[kind].make, image], { stdio: 'pipe' })
  const mount = (): void => {
    execFileSync('mount', ['-o', ['loop', ...options].join(), '-t', kind, image, dir], { stdio: 'pipe' })
  }
  const off = async (): Promise<void> => {
    await unmount(dir)
    for (let tries = 0; tries < PATIENCE; tries++) {
      if (execFileSync('losetup', ['-j', image], { encoding: 'utf8' }) === '') return
      await sleep(25)
    }
    throw new Error(`"${image}" is still mounted in another namespace`)
  }
  mount()
  return {
    dir,
    async save() {
      await off()
      execFileSync('cp', ['--sparse=always', image, saved])
      mount()
    },
    async restore() {
      await off()
      execFileSync('cp', ['--sparse=always', saved, image])
      mount()
    },
    cutLine: `/usr/bin/perl -e '${SHUTDOWN}' '${dir}'`,
    cut: () => void execFileSync('/usr/bin/perl', ['-e', SHUTDOWN, dir], { stdio: 'pipe' }),
    async mountAgain() {
      await off()
      mount()
    },
    async dispose() {
      await unmount(dir)
      await unmount(folder)
    },
  }
}

/** Waits for the last program that is still in it: each ends by an error of its own. */
async function unmount(dir: string): Promise<void> {
  for (let tries = 0; tries < PATIENCE; tries++) {
    const { status, stderr } = spawnSync('umount', [dir], { encoding: 'utf8' })
    if (status === 0 || /not mounted/.test(stderr)) return
    await sleep(25)
  }
  throw new Error(`"${dir}" is still in use`)
}
