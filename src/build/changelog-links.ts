/** The links at the bottom of a changelog: "Unreleased" compares the newest tag with the branch, every version its tag with the one before. */
import type { Version } from '../version.ts'

interface NewLink {
  readonly version: Version
  /** The version as its heading has it. */
  readonly label: string
  /** What tags start with when the links do not tell: `v`. */
  readonly tagPrefix: string
}

/** `[Unreleased]: https://host/owner/app/compare/v1.4.0...HEAD`, in the parts that matter. */
const UNRELEASED =
  /^(?<head> {0,3}\[unreleased\]:[ \t]*<?)(?<site>[^\s>]*\/compare\/)(?<from>[^\s>]+?)(?<dots>\.{2,3})(?<to>[^\s.>][^\s>]*)(?<tail>.*?)(?<eol>\r?\n)?$/i
/** Not the digits of an escape: `%40` is an at sign. */
const VERSION_IN_TAG = /(?<!%[0-9A-F]?)\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?$/

/**
 * Lines (each with its end) with the link of "Unreleased" moved on to the version's tag and a link of the version below it. Lines
 * without such a link, or with one of another shape, are returned as they are: a wrong link is worse than none.
 */
export function linkLines(lines: readonly string[], { version, label, tagPrefix }: NewLink): readonly string[] {
  const index = lines.findLastIndex((line) => UNRELEASED.test(line))
  const parts = UNRELEASED.exec(lines[index] ?? '')?.groups
  if (!parts) return lines
  const { head = '', site = '', from = '', dots = '', to = '', tail = '', eol = '' } = parts
  // Some sites write the newer side first.
  if (VERSION_IN_TAG.test(to)) return lines
  const tag = VERSION_IN_TAG.test(from) ? from.replace(VERSION_IN_TAG, () => version) : `${tagPrefix}${version}`
  const moved = `${head}${site}${tag}${dots}${to}${tail}`
  const own = head.replace(/\[unreleased\]/i, () => `[${label}]`)
  const known = lines.some((line) => line.trimStart().startsWith(`[${label}]:`))
  const added = known ? [] : [`${own}${site}${from}${dots}${tag}${tail}`]
  // The last line of a file may have no end: what follows it then needs one between.
  const between = eol === '' ? (lines[0]?.endsWith('\r\n') === true ? '\r\n' : '\n') : eol
  return [...lines.slice(0, index), [moved, ...added].join(between) + eol, ...lines.slice(index + 1)]
}
