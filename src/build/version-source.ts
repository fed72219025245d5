/** Which version a build gets: a flag, or what the configuration says, taken further by `--bump` or `--snapshot`. */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf, ShipError } from '../errors.ts'
import { bump, compareVersions, isVersion, parseVersion, snapshot, type Bump, type Version } from '../version.ts'
import type { GitFacts } from './git.ts'
import { versionFromTags } from './tags.ts'

export interface VersionChoice {
  /** `--version`. */
  readonly version?: string | undefined
  /** `--bump`: the version after the highest one configured or built; see prepare.ts for what is written. */
  readonly bump?: Bump | undefined
  readonly snapshot?: boolean | undefined
}

export interface VersionFacts {
  /** `version` of the configuration. */
  readonly configured: string | (() => unknown)
  readonly sources: string
  /** The project's folder, in the checkout with `--ref`: its package.json counts when the sources have none. */
  readonly projectDir: string
  readonly git: GitFacts | undefined
  /** Versions of this app in `dist/`. */
  readonly built: readonly Version[]
  readonly signal: AbortSignal
}

/** Rejects with reason `usage` or `config` when there is no version or it is none. */
export async function resolveVersion(choice: VersionChoice, facts: VersionFacts): Promise<Version> {
  if (
    [choice.version, choice.bump, choice.snapshot === true ? true : undefined].filter((c) => c !== undefined).length > 1
  ) {
    throw new ShipError('usage', '--version, --bump and --snapshot exclude each other')
  }
  if (choice.version !== undefined) return parseVersion(choice.version)
  const base = await configuredVersion(facts)
  if (choice.bump !== undefined)
    return bump([base, ...facts.built].toSorted(compareVersions).at(-1) ?? base, choice.bump)
  if (choice.snapshot !== true) return base
  // A changed work tree is not its commit: two snapshots of one commit must not get one version.
  const clean = facts.git !== undefined && !facts.git.dirty
  return snapshot(base, clean ? facts.git.epoch : Math.floor(Date.now() / 1000), facts.git?.commit)
}

async function configuredVersion({ configured, sources, projectDir, signal }: VersionFacts): Promise<Version> {
  if (typeof configured === 'function') {
    const value = await configured()
    if (typeof value === 'string') return parseVersion(value, 'config')
    throw new ShipError(
      'config',
      `the "version" function returned ${JSON.stringify(value) ?? 'nothing'}, not a version`,
    )
  }
  const prefix = tagPrefixOf(configured)
  if (configured === 'git' || prefix !== undefined) return versionFromTags(sources, prefix ?? '', signal)
  const file = versionFile(configured, { sources, projectDir })
  return file === undefined ? parseVersion(configured, 'config') : jsonVersion(file, configured)
}

/** What tags start with, of `git:shop-v`; undefined when the configuration names none. */
export function tagPrefixOf(configured: string | (() => unknown)): string | undefined {
  return typeof configured === 'string' ? /^git:(.+)$/.exec(configured)?.[1] : undefined
}

/** Absolute path of the JSON file that the version comes from; undefined when it comes from elsewhere. */
export function versionFile(
  configured: string | (() => unknown),
  { sources, projectDir }: Pick<VersionFacts, 'sources' | 'projectDir'>,
): string | undefined {
  if (typeof configured !== 'string' || configured.startsWith('git:') || !configured.endsWith('.json')) return undefined
  return join(existsSync(join(sources, configured)) ? sources : projectDir, configured)
}

async function jsonVersion(file: string, name: string): Promise<Version> {
  const next = ['set "version" in the configuration, or give --version']
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    throw new ShipError('config', `the version should come from ${name}, which cannot be read`, {
      cause,
      next,
      details: [messageOf(cause)],
    })
  }
  const version = versionIn(text)
  if (version === undefined) throw new ShipError('config', `${name} has no "version"`, { next })
  if (isVersion(version)) return version
  return parseVersion(version, 'config')
}

function versionIn(text: string): string | undefined {
  try {
    const value: unknown = JSON.parse(text)
    const version = typeof value === 'object' && value !== null && 'version' in value ? value.version : undefined
    return typeof version === 'string' ? version : undefined
  } catch {
    return undefined
  }
}
