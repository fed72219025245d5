/** Versions: semver, with build metadata kept (semver's own `valid` drops it). A version is a folder name on hosts. */
import semver from 'semver'
import { escapeControls } from './names.ts'
import { ShipError, type Reason } from './errors.ts'

declare const brand: unique symbol
export type Version = string & { readonly [brand]: 'Version' }

export const BUMPS = ['patch', 'minor', 'major', 'prerelease'] as const
export type Bump = (typeof BUMPS)[number]

const MAX_LENGTH = 128
/** Longer than any range that somebody writes; a reader of ranges takes its time. */
const MAX_RANGE_LENGTH = 1024

/** Parses a version; a leading `v` is dropped. The error names what was wrong and a version that would do. */
export function parseVersion(text: string, reason: Reason = 'usage'): Version {
  const trimmed = text.trim().replace(/^v(?=\d)/, '')
  const parsed = trimmed.length <= MAX_LENGTH ? semver.parse(trimmed) : null
  if (!parsed) {
    const near = semver.coerce(text.slice(0, MAX_LENGTH))
    throw new ShipError(reason, `"${escapeControls(text.slice(0, MAX_LENGTH))}" is not a semantic version`, {
      next: [near ? `did you mean "${near.version}"?` : 'use MAJOR.MINOR.PATCH, for example "1.4.2" or "1.5.0-rc.1"'],
    })
  }
  return trimmed as Version
}

/** Whether text is a version as `parseVersion` returns it. */
export function isVersion(text: string): text is Version {
  return text.length <= MAX_LENGTH && semver.parse(text)?.raw === text && !text.startsWith('v')
}

/** The next version; `prerelease` counts `-rc.N` up, and a release follows its own pre-releases. */
export function bump(version: Version, kind: Bump): Version {
  const next = kind === 'prerelease' ? semver.inc(version, 'prerelease', 'rc', '1') : semver.inc(version, kind)
  if (!next) throw new ShipError('usage', `"${version}" cannot be bumped by "${kind}"`)
  return next as Version
}

/** A version for a build that is not meant to be kept: sorts above the last release and below the next one. */
export function snapshot(version: Version, epochSeconds: number, commit: string | undefined): Version {
  const base = semver.parse(version)
  const stamp = new Date(epochSeconds * 1000)
    .toISOString()
    .replaceAll(/[-:]|\.\d+Z$/g, '')
    .replace('T', '')
  const release = base && base.prerelease.length === 0 ? semver.inc(version, 'patch') : version.replace(/\+.*$/, '')
  const suffix = `snapshot.${stamp}${commit ? `.g${commit.slice(0, 9)}` : ''}`
  return parseVersion(`${release}${base && base.prerelease.length > 0 ? '.' : '-'}${suffix}`)
}

/** Order of two versions, build metadata included, so that sorting is total. */
export function compareVersions(a: Version, b: Version): number {
  return semver.compareBuild(a, b)
}

/** Whether text is a range (`^1.4`, `1.x`, `>=1 <2`) rather than one version. */
export function isRange(text: string): boolean {
  if (text.length > MAX_RANGE_LENGTH) return false
  return !isVersion(text.replace(/^v/, '')) && semver.validRange(text) !== null
}

/** The newest version that a range admits. Pre-releases only when the range itself names one, as npm does. */
export function newestMatch(versions: readonly Version[], range: string): Version | undefined {
  return versions
    .filter((v) => semver.satisfies(v, range))
    .toSorted(compareVersions)
    .at(-1)
}
