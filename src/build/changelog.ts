/**
 * A changelog in the form of keepachangelog.com: finds its sections, says which one belongs to a version, and closes "Unreleased".
 * Text in, text out; whoever reads and writes the file is elsewhere. Headings in code blocks and comments are none.
 */
import { ShipError } from '../errors.ts'
import { escapeControls } from '../names.ts'
import { isVersion, type Version } from '../version.ts'
import { linkLines } from './changelog-links.ts'

interface Section {
  readonly kind: 'unreleased' | 'version' | 'other'
  readonly version: Version | undefined
  /** `YYYY-MM-DD` of the heading, when there is one. */
  readonly date: string | undefined
  /** Of the heading, from 1. */
  readonly line: number
  /** What stands below the heading, without link references and blank lines around it. */
  readonly text: string
  /** Whether it says anything: subheadings and comments alone say nothing. */
  readonly empty: boolean
}

export interface ChangelogFile {
  /** As it is shown to the user. */
  readonly name: string
  readonly text: string
}

/** A version that somebody tries out: `--snapshot`, or what `version: 'git'` calls a commit between two tags. */
const PASSING = /[-.](?:snapshot\.\d{14}|dev\.\d+\.g[0-9a-f]+)/

/**
 * What the changelog says of a version that is built: the text of its section, for a pre-release that has none that of "Unreleased".
 * Rejects (reason `build`) with file, line and the line to write when the newest section is not this version's. Pre-releases need an
 * entry somewhere; versions that are not meant to be kept need nothing.
 */
export function notesFor(version: Version, file: ChangelogFile, date: string): string {
  const sections = readSections(file.text)
  const plain = withoutBuild(version)
  const newest = sections.find((s) => s.kind === 'version')
  const unreleased = sections.find((s) => s.kind === 'unreleased')
  if (newest?.version !== undefined && withoutBuild(newest.version) === plain) return newest.text
  if (PASSING.test(plain)) return unreleased?.text ?? ''
  if (plain.includes('-')) {
    if (unreleased && !unreleased.empty) return unreleased.text
    if (newest?.version === plain.replace(/-.*$/, '')) return newest.text
    throw lacking(file, unreleased?.line ?? newest?.line ?? 1, `nothing is written under "Unreleased"`, [
      `say under "## [Unreleased]" what ${version} changes`,
    ])
  }
  const found = newest === undefined ? 'no version has a section' : `the newest section is ${newest.version}`
  const where = unreleased ? ` below "Unreleased" (line ${unreleased.line})` : ' above the others'
  throw lacking(file, newest?.line ?? unreleased?.line ?? 1, `${found}, and ${version} is built`, [
    `write${where}: ## [${plain}] - ${date}`,
    'or let it be written: ship build --bump patch, minor or major',
  ])
}

/**
 * The text with "Unreleased" closed into a section of the version, dated (`YYYY-MM-DD`), and its links moved on; every other byte stays.
 * Undefined when there is nothing to do, for the newest section is the version's already and "Unreleased" is empty. Rejects (reason
 * `build`) when there is nothing to close, or a section of the version stands already. `tagPrefix` is what the project's tags start with.
 */
export function closeUnreleased(
  file: ChangelogFile,
  version: Version,
  { date, tagPrefix }: { readonly date: string; readonly tagPrefix: string },
): string | undefined {
  const sections = readSections(file.text)
  const unreleased = sections.find((s) => s.kind === 'unreleased')
  const versions = sections.filter((s) => s.kind === 'version')
  const same = versions.find((s) => s.version === version)
  if (same && same === versions[0] && (unreleased?.empty ?? true)) return undefined
  if (!unreleased) {
    throw lacking(file, versions[0]?.line ?? 1, 'there is no section "Unreleased" to close', [
      `write above the others: ## [${version}] - ${date}`,
    ])
  }
  if (same) {
    throw lacking(file, same.line, `${version} has a section already, and "Unreleased" (line ${unreleased.line}) too`, [
      `put the entries under one of them`,
    ])
  }
  if (unreleased.empty) {
    throw lacking(file, unreleased.line, '"Unreleased" is empty, so there is nothing to release', [
      `say there what ${version} changes`,
    ])
  }
  return closed(file.text, { line: unreleased.line, newest: versions[0]?.line, version, date, tagPrefix })
}

export interface ReleaseNotes {
  readonly version: Version
  /** `YYYY-MM-DD`. */
  readonly date: string | undefined
  /** Markdown. */
  readonly text: string
}

/** What a changelog says of each version, newest first as it stands there. */
export function releaseNotes(text: string): readonly ReleaseNotes[] {
  return readSections(text).flatMap(({ version, date, text: said }) =>
    version === undefined ? [] : [{ version, date, text: said }],
  )
}

/** The date of a release: the day of SOURCE_DATE_EPOCH (UTC), or today where this machine stands. */
export function releaseDate(sourceDateEpoch: string | undefined, now: Date): string {
  if (sourceDateEpoch !== undefined && /^\d{1,10}$/.test(sourceDateEpoch)) {
    return new Date(Number(sourceDateEpoch) * 1000).toISOString().slice(0, 10)
  }
  const two = (n: number): string => String(n).padStart(2, '0')
  return `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())}`
}

interface Closing {
  /** Lines of the headings of "Unreleased" and of the newest version. */
  readonly line: number
  readonly newest: number | undefined
  readonly version: Version
  readonly date: string
  readonly tagPrefix: string
}

function closed(text: string, { line, newest, version, date, tagPrefix }: Closing): string {
  const lines = linesOf(text)
  const heading = lines[line - 1] ?? ''
  const eol = heading.endsWith('\r\n') ? '\r\n' : '\n'
  // The new heading looks like the one before it.
  const model = newest === undefined ? heading : (lines[newest - 1] ?? '')
  const label = `${/##\s*\[?v\d/.test(model) ? 'v' : ''}${version}`
  const inserted = `${eol}## ${/##\s*\[/.test(model) ? `[${label}]` : label} - ${date}${eol}`
  return linkLines([...lines.slice(0, line), inserted, ...lines.slice(line)], { version, label, tagPrefix }).join('')
}

const HEADING = /^ {0,3}##[ \t]+(.*?)[ \t]*#*[ \t]*\r?\n?$/
const VERSION_TITLE = /^\[?v?(\d+\.\d+\.\d+[0-9A-Za-z.+-]*)\]?(?=$|[\s(])/
const REFERENCE = /^ {0,3}\[[^\]]+\]:\s*\S+/

/** Each line with its end. */
function linesOf(text: string): string[] {
  return text.match(/[^\n]*\n|[^\n]+$/g) ?? []
}

function readSections(text: string): readonly Section[] {
  const found: { readonly title: string; readonly line: number; readonly body: string[] }[] = []
  let ended = false
  for (const { line, number, plain } of plainLines(text)) {
    const title = plain ? HEADING.exec(line)?.[1] : undefined
    if (title !== undefined) found.push({ title, line: number, body: [] })
    ended = title === undefined && (ended || (plain && line.startsWith('# ')))
    if (title === undefined && !ended && !(plain && REFERENCE.test(line))) found.at(-1)?.body.push(line)
  }
  return found.map(({ title, line, body }) => {
    const version = VERSION_TITLE.exec(title)?.[1]
    const known = version !== undefined && isVersion(version) ? version : undefined
    const kind = /^\[?unreleased\b/i.test(title) ? 'unreleased' : known === undefined ? 'other' : 'version'
    const all = body.join('').replaceAll('\r\n', '\n')
    const said = all.replaceAll(/<!--[\s\S]*?(?:-->|$)/g, '').replaceAll(/^ {0,3}#{1,6}(?:[ \t].*)?$/gm, '')
    const date = /\b\d{4}-\d{2}-\d{2}\b/.exec(title)?.[0]
    return { kind, version: known, date, line, text: all.trim(), empty: said.trim() === '' }
  })
}

/** Lines with their numbers; `plain` is false inside of code blocks and comments, where a heading is only text. */
function* plainLines(text: string): Generator<{ readonly line: string; readonly number: number; plain: boolean }> {
  let fence: string | undefined
  let comment = false
  for (const [index, line] of linesOf(text).entries()) {
    const plain = fence === undefined && !comment
    const mark = comment ? undefined : /^ {0,3}(`{3,}|~{3,})(.*)/.exec(line)
    if (fence === undefined) fence = mark?.[1]
    else if (mark?.[1]?.startsWith(fence) === true && mark[2]?.trim() === '') fence = undefined
    if (fence === undefined) comment = (comment || /^ {0,3}<!--/.test(line)) && !line.includes('-->')
    yield { line, number: index + 1, plain }
  }
}

function withoutBuild(version: string): string {
  return version.replace(/\+.*$/, '')
}

function lacking(file: ChangelogFile, line: number, message: string, next: readonly string[]): ShipError {
  return new ShipError('build', `${escapeControls(file.name)}:${line}  ${message}`, {
    step: 'changelog',
    state: 'nothing was built, dist/ is as it was',
    next,
  })
}
