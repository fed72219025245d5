/** The version that tags of the repository tell: `v1.4.2`, or with the prefix of one app among several, `shop-v1.4.2`. */
import { ShipError } from '../errors.ts'
import { bump, compareVersions, isVersion, parseVersion, type Version } from '../version.ts'
import { gitOutput } from './git.ts'

/** Tags that look like versions and are none are passed over, but not for ever. */
const MAX_LOOKS = 50
const SHOWN = 5

interface Found {
  readonly version: Version
  /** Commits since the tag; 0: it is on the commit itself. */
  readonly distance: number
  /** Abbreviated id of the commit that is built. */
  readonly commit: string
}

/**
 * The tag on the commit, the highest when there are several, or else a pre-release that counts the commits since the nearest one. With
 * an empty prefix tags are `v1.2.3` or `1.2.3`; else the prefix and what follows it, a `v` between them left out. Rejects (reason `config`)
 * when there is no such tag.
 */
export async function versionFromTags(folder: string, prefix: string, signal: AbortSignal): Promise<Version> {
  const found = await nearest(folder, prefix, signal)
  if (!found) throw await noTag(folder, prefix, signal)
  const { version, distance, commit } = found
  if (distance === 0) return version
  // After 1.5.0-rc.1 comes 1.5.0-rc.1.dev.3, for 1.5.0-dev.3 would sort before it.
  const plain = version.replace(/\+.*$/, '')
  const base = plain.includes('-') ? `${plain}.` : `${bump(version, 'patch')}-`
  return parseVersion(`${base}dev.${distance}.g${commit}`, 'config')
}

/** The version that a tag names, if it is one of the prefix. */
export function versionOfTag(tag: string, prefix: string): Version | undefined {
  if (!tag.startsWith(prefix)) return undefined
  const text = tag.slice(prefix.length).replace(/^v(?=\d)/, '')
  return isVersion(text) ? text : undefined
}

async function nearest(folder: string, prefix: string, signal: AbortSignal): Promise<Found | undefined> {
  const matches = patterns(prefix).flatMap((pattern) => ['--match', pattern])
  const passed: string[] = []
  for (let look = 0; look < MAX_LOOKS; look++) {
    const others = passed.flatMap((tag) => ['--exclude', tag])
    const text = await gitOutput(
      folder,
      ['describe', '--tags', '--long', '--abbrev=9', ...matches, ...others, 'HEAD'],
      signal,
    )
    const [, tag, distance, commit] = /^(.+)-(\d+)-g([0-9a-f]+)\s*$/.exec(text ?? '') ?? []
    if (tag === undefined || commit === undefined) return undefined
    const version = versionOfTag(tag, prefix)
    if (version !== undefined) {
      const all = await tagsAt(folder, tag, prefix, signal)
      const highest = [version, ...all].toSorted(compareVersions).at(-1) ?? version
      return { version: highest, distance: Number(distance), commit }
    }
    passed.push(tag)
  }
  return undefined
}

/** Versions of all tags on the commit of this one. `describe` names the youngest tag, which need not be the highest. */
async function tagsAt(folder: string, tag: string, prefix: string, signal: AbortSignal): Promise<readonly Version[]> {
  const text = await gitOutput(folder, ['tag', '--points-at', `refs/tags/${tag}^{commit}`], signal)
  return versionsIn(text ?? '', prefix)
}

function versionsIn(lines: string, prefix: string): Version[] {
  return lines.split('\n').flatMap((tag) => versionOfTag(tag, prefix) ?? [])
}

function patterns(prefix: string): readonly string[] {
  return [`${prefix}v[0-9]*.[0-9]*.[0-9]*`, `${prefix}[0-9]*.[0-9]*.[0-9]*`]
}

async function noTag(folder: string, prefix: string, signal: AbortSignal): Promise<ShipError> {
  const setting = prefix === '' ? 'git' : `git:${prefix}`
  const example = prefix === '' ? 'v1.4.2' : `${prefix}1.4.2`
  const top = await gitOutput(folder, ['rev-parse', '--show-toplevel'], signal)
  if (top === undefined) {
    return new ShipError('config', `version "${setting}" needs a git repository, and "${folder}" is in none`, {
      next: ['give --version, or set "version" in the configuration'],
    })
  }
  if ((await gitOutput(folder, ['rev-parse', '--is-shallow-repository'], signal))?.trim() === 'true') {
    return new ShipError('config', `version "${setting}" needs a tag such as ${example}, and this clone is shallow`, {
      details: ['history ends before the tag, so nobody can tell which version this is'],
      next: ['in CI: actions/checkout with fetch-depth: 0', 'here: git fetch --unshallow --tags'],
    })
  }
  const all = (await gitOutput(folder, ['tag', '--sort=-creatordate'], signal))?.split('\n').filter((t) => t !== '')
  const seen = all === undefined || all.length === 0 ? 'no tag at all' : `tags: ${listed(all)}`
  return new ShipError(
    'config',
    `version "${setting}" needs a tag such as ${example}, and none is before this commit`,
    {
      details: [`the repository has ${seen}`],
      next: [
        `git tag ${prefix === '' ? 'v' : prefix}0.1.0, or give --version`,
        'in CI, fetch tags (actions/checkout with fetch-depth: 0)',
      ],
    },
  )
}

function listed(tags: readonly string[]): string {
  const more = tags.length > SHOWN ? `, and ${tags.length - SHOWN} more` : ''
  return `${tags.slice(0, SHOWN).join(', ')}${more}`
}
