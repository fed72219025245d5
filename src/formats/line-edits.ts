/** Lists as edits of other lists, line by line. Pure. */

/** How far ahead a line is looked for before all lines are; so many that are not found there count as new. */
const NEAR_LINES = 500
const MAX_NEW = 200

/**
 * A text as edits of another one, line by line: `k 3 17` keeps its lines 3 to 17, `+text` is a new one. Lists are sent like this, for
 * most of a list is digests, which do not compress. Both texts have the same order, and little differs: what follows mostly stands next.
 */
export function lineEdits(before: string, after: string): string {
  const old = linesOf(before)
  const ranges = keptRanges()
  let places: Map<string, number[]> | undefined
  let unknown = 0
  let next = 0
  for (const line of linesOf(after)) {
    const at = old[next] === line ? next : placeOf(line)
    if (at === undefined) ranges.add(line)
    else {
      ranges.keep(at + 1)
      next = at + 1
    }
  }
  return ranges.text()

  function placeOf(line: string): number | undefined {
    const end = Math.min(old.length, next + NEAR_LINES)
    for (let at = next; at < end; at++) if (old[at] === line) return at
    if (end === old.length || ++unknown <= MAX_NEW) return undefined
    places ??= Map.groupBy(old.keys(), (at) => old[at] ?? '')
    return places.get(line)?.find((at) => at >= next)
  }
}

/** The text that `lineEdits(before, text)` came from. Edits of unknown origin give a wrong text, never an error: its digest tells. */
export function applyEdits(before: string, edits: string): string {
  const lines = linesOf(before)
  const made = linesOf(edits).flatMap((edit) => {
    if (edit.startsWith('+')) return [edit.slice(1)]
    const [, from = '', to = ''] = /^k (\d{1,9}) (\d{1,9})$/.exec(edit) ?? []
    return from === '' ? [] : lines.slice(Number(from) - 1, Number(to))
  })
  return made.map((line) => `${line}\n`).join('')
}

/** Which lines of a list stay, in the same form. */
export function keptLines(text: string, isKept: (line: string) => boolean): string {
  const ranges = keptRanges()
  for (const [index, line] of linesOf(text).entries()) if (isKept(line)) ranges.keep(index + 1)
  return ranges.text()
}

/** Edits as they are written. Lines count from 1. */
function keptRanges() {
  const edits: string[] = []
  let from = 0
  let to = 0
  const close = (): void => {
    if (to > 0) edits.push(`k ${from} ${to}\n`)
    to = 0
  }
  return {
    keep(line: number): void {
      if (line !== to + 1 || to === 0) {
        close()
        from = line
      }
      to = line
    },
    add(line: string): void {
      close()
      edits.push(`+${line}\n`)
    },
    text(): string {
      close()
      return edits.join('')
    },
  }
}

function linesOf(text: string): string[] {
  const lines = text.split('\n')
  lines.pop()
  return lines
}
