/**
 * Semver -> Debian version, so that dpkg sorts as semver does. `1.0.0-rc.1` becomes `1.0.0~rc.1-1`: "~" sorts before the end of the
 * string, and the revision that always follows keeps every other hyphen away from dpkg's split (deb-version(7)).
 *
 * The plain mapping does not keep the order of all semver versions, so what could sort wrongly is refused, by rules that look at one
 * version only and hold for every pair of accepted ones (test/deb/version.test.ts asks dpkg):
 * - An identifier is a number or a word of letters. Letters mixed with digits differ: semver has rc10 < rc2, dpkg the other way round.
 * - No hyphen in identifiers: dpkg sorts it behind letters, semver before them.
 * - dpkg sorts a letter before the "." or "+" that ends a word, semver the shorter word first: "a.x" against "alpha.y". So a word that
 *   something follows is one of WORDS, none of which starts another, and no other identifier starts with one of them.
 * - Only the last identifier may be a commit: "g" and hexadecimal digits. Two versions that differ in nothing but the commit have no
 *   order that anybody means (semver's goes by the letters of the hash), so dpkg's may be another; against all else it is kept.
 */
import semver from 'semver'
import { ShipError } from '../errors.ts'
import type { Version } from '../version.ts'

/** Words that may be followed by more. None is the start of another. */
export const WORDS = [
  'alpha',
  'beta',
  'build',
  'canary',
  'ci',
  'dev',
  'edge',
  'experimental',
  'next',
  'nightly',
  'pre',
  'rc',
  'snapshot',
  'staging',
  'test',
] as const

const COMMIT = /^g(?=[a-f]*\d)[0-9a-f]{4,64}$/
const FORM = 'use numbers and words between dots, such as "1.5.0-rc.1" or "1.5.0-beta.2.dev.7"'

export interface DebVersionOptions {
  /** Debian revision, without a hyphen. */
  readonly revision: string
  readonly epoch?: number | undefined
  /** Keep `+metadata`, which dpkg sorts by and semver does not. */
  readonly keepMetadata?: boolean | undefined
}

/** `[epoch:]upstream-revision`. Throws (reason `config`) for a version that dpkg could sort in another way than semver. */
export function debVersion(version: Version, options: DebVersionOptions): string {
  const { revision, epoch, keepMetadata = false } = options
  const parsed = semver.parse(version)
  if (!parsed) throw new Error(`"${version}" is no version`)
  // Not `parsed.prerelease`: numbers beyond 2^53 would come back rounded.
  const identifiers = (/^[^+]*?-([^+]*)/.exec(version)?.[1] ?? '').split('.').filter((i) => i !== '')
  const metadata = keepMetadata && parsed.build.length > 0 ? `+${parsed.build.join('.')}` : ''
  for (const [index, identifier] of identifiers.entries()) {
    const last = index === identifiers.length - 1
    const problem = identifierProblem(identifier, { last, followed: !last || metadata !== '' })
    if (problem !== undefined) throw refusal(version, identifier, problem)
  }
  const upstream = `${parsed.major}.${parsed.minor}.${parsed.patch}${identifiers.length > 0 ? `~${identifiers.join('.')}` : ''}`
  return `${epoch === undefined ? '' : `${epoch}:`}${upstream}${metadata}-${revision}`
}

/** The same without the epoch, as file names have it. */
export function withoutEpoch(debianVersion: string): string {
  return debianVersion.replace(/^\d+:/, '')
}

/** Why dpkg could sort versions with this identifier wrongly; undefined when it cannot. */
function identifierProblem(
  identifier: string,
  { last, followed }: { readonly last: boolean; readonly followed: boolean },
): { readonly why: string; readonly better?: string } | undefined {
  if (/^\d+$/.test(identifier) || (last && COMMIT.test(identifier))) return undefined
  if (identifier.includes('-')) {
    const better = identifier.split('-').filter(Boolean).join('.')
    return { why: 'holds a hyphen, which dpkg sorts behind letters and semver before them', better }
  }
  if (/\d/.test(identifier)) {
    const better = identifier.match(/\d+|\D+/g)?.join('.') ?? ''
    return { why: 'mixes letters and digits: semver sorts "rc10" before "rc2", dpkg behind it', better }
  }
  const start = WORDS.find((word) => identifier !== word && identifier.startsWith(word))
  if (start !== undefined)
    return { why: `starts with "${start}", which dpkg may sort on the other side of it`, better: start }
  if (!followed || WORDS.some((word) => word === identifier)) return undefined
  return { why: `is followed by more, and dpkg sorts that right for these words only: ${WORDS.join(', ')}` }
}

function refusal(
  version: Version,
  identifier: string,
  { why, better }: { readonly why: string; readonly better?: string },
): ShipError {
  const proposal = better === undefined ? undefined : version.replace(identifier, () => better)
  const works = proposal !== undefined && semver.valid(proposal) !== null && isSafe(proposal as Version)
  return new ShipError('config', `version "${version}" cannot be a Debian version: "${identifier}" ${why}`, {
    next: [works ? `use "${proposal}"` : FORM],
  })
}

function isSafe(version: Version): boolean {
  try {
    return debVersion(version, { revision: '1' }) !== ''
  } catch {
    return false
  }
}
