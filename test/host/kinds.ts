/** The kinds of hosts that the protocol is tried on, and what a run writes there. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { it } from 'vitest'
import type { Owner, ReleaseRecord } from '../../src/host/session.ts'
import { newToken, parseHostName } from '../../src/names.ts'
import type { Host } from '../../src/transport/transport.ts'
import type { Version } from '../../src/version.ts'
import { startFilesOnly } from '../support/files-only.ts'
import { startFleet, type Fleet } from '../support/fleet.ts'

export interface Kind {
  readonly name: string
  readonly compression: 'gzip' | 'zstd'
  /** Makes the folder of programs that a host of this kind has; undefined: this machine as it is, without SSH. */
  readonly programs?: (folder: string) => string
  /** Default: `sftp` with `programs`, else `local`. */
  readonly transport?: 'rsync'
  /** True for a host that gives its files by SFTP, from a chroot, and runs nothing. */
  readonly filesOnly?: true
}

export const KINDS: readonly Kind[] = [
  { name: 'a folder of this machine', compression: 'zstd' },
  { name: 'dash over SSH', compression: 'gzip', programs: (folder) => withShell(folder, '/usr/bin/dash') },
  { name: 'bash over SSH', compression: 'zstd', programs: (folder) => withShell(folder, '/bin/bash') },
  { name: 'BusyBox over SSH', compression: 'gzip', programs: busybox },
  {
    name: 'rsync over SSH',
    compression: 'zstd',
    programs: (folder) => withShell(folder, '/usr/bin/dash'),
    transport: 'rsync',
  },
]

/** Not everything holds there, so it is tried by those tests that say so. */
export const FILES_ONLY: Kind = { name: 'SFTP alone, in a chroot', compression: 'gzip', filesOnly: true }

/** A host of a kind, with its programs in a new folder of `dir`; undefined for this machine without SSH. From then on ssh finds it. */
export async function startKind(
  { programs, filesOnly, config = [] }: Pick<Kind, 'programs' | 'filesOnly'> & { readonly config?: readonly string[] },
  dir: string,
): Promise<Fleet | undefined> {
  const own = programs && [`SetEnv PATH=${programs(mkdtempSync(join(dir, 'programs-')))} SHLVL=2`, ...config]
  const fleet = own ? await startFleet(1, { config: own }) : filesOnly ? await startFilesOnly(1) : undefined
  if (fleet) process.env['SHIP_SSH_CONFIG'] = fleet.sshConfigFile
  return fleet
}

/** `it` for what only a host with a shell does: of the others there is no such test, so none is skipped. */
export function ofShells(filesOnly: boolean | undefined): (name: string, test: () => Promise<void> | void) => void {
  return filesOnly === true ? () => undefined : it
}

function withShell(folder: string, shell: string): string {
  symlinkSync(shell, join(folder, 'sh'))
  return `${folder}:/usr/bin:/bin`
}

function busybox(folder: string): string {
  execFileSync('busybox', ['--install', '-s', folder])
  return folder
}

/** A host that ssh finds by its name, or with `local` a folder of this machine. */
export function web1(deployTo: string, transport: 'local' | 'sftp'): Host {
  return { name: parseHostName('web1'), address: 'web1', roles: [], labels: {}, env: {}, deployTo, transport }
}

export function owner(parts: Partial<Owner> = {}): Owner {
  const client = { host: 'elsewhere', bootId: 'b', pid: 1, startTime: '1' }
  return {
    schema: 1,
    token: newToken(),
    run: 'r1',
    user: 'me@here',
    client,
    doing: 'release 1.0.0',
    since: new Date().toISOString(),
    ...parts,
  }
}

export function record(version: Version, digest: string, parts: Partial<ReleaseRecord> = {}): ReleaseRecord {
  const base = {
    schema: 1,
    version,
    digest,
    state: 'staged',
    seq: 0,
    previous: null,
    pinned: false,
    shared: [],
  } as const
  return { ...base, by: 'me', run: 'r1', stagedAt: new Date().toISOString(), ...parts }
}
