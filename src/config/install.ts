/** Releases that are packages: where they go and how long they may take. */
import { z } from 'zod'
import { ShipError } from '../errors.ts'
import type { DebTarget } from '../transport/transport.ts'
import { duration } from '../units.ts'
import type { Project } from './load.ts'
import type { EnvironmentConfig } from './schema.ts'

export const install = z
  .strictObject({
    lock: duration.prefault('2m').describe("How long to wait for dpkg's lock, when something else installs packages"),
    timeout: duration.prefault('15m').describe('Longest time for apt-get, with all that the package does'),
  })
  .describe('How packages are installed, with format "deb"')

/** For what surrounds apt-get: digests, other packages that were left half-way, the disk. */
const AROUND_MS = 120_000

/** Undefined for archives. Rejects (reason `config`) what packages cannot do. */
export function debTarget(
  { name, config }: Pick<Project, 'name' | 'config'>,
  merged: Omit<EnvironmentConfig, 'hosts'>,
): DebTarget | undefined {
  if (merged.format !== 'deb') return undefined
  const { packages, package: own = name } = config.deb
  if (packages && !Object.keys(packages).includes(name)) {
    throw new ShipError('config', `release.format is "deb", and none of deb.packages is called "${name}"`, {
      next: ['the package that is released has the name of the app; the others are left to apt'],
    })
  }
  const shared = Object.entries(merged.shared ?? {}).find(([, paths]) => paths.length > 0)
  if (shared) {
    throw new ShipError('config', `release.shared.${shared[0]} is for archives, and release.format is "deb"`, {
      next: ['what outlives a package is its own: deb.service.stateDirectory, deb.dirs, deb.conffiles'],
    })
  }
  if (merged.confirm !== undefined && merged.confirm !== false) {
    throw new ShipError('config', 'release.confirm is for archives, and release.format is "deb"', {
      next: ['leave it out: a host cannot install a package back by itself'],
    })
  }
  const { lock: lockMs, timeout: installMs } = merged.install ?? install.parse({})
  // Twice: apt-get, and dpkg alone where that is the last way back.
  const switchMs = 2 * (lockMs + installMs) + AROUND_MS
  return { package: packages ? name : own, lockMs, installMs, switchMs }
}
