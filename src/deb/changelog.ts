/** `changelog.Debian` (deb-changelog(5)) from sections written in Markdown. */

export interface ChangelogEntry {
  /** Debian version. */
  readonly version: string
  /** Seconds since 1970. */
  readonly time: number
  /** What the section says, in Markdown. */
  readonly text: string
}

const WIDTH = 80

/** Entries newest first. `source`: name of the source package. */
export function changelogText(source: string, maintainer: string, entries: readonly ChangelogEntry[]): string {
  return entries
    .map(({ version, time, text }) =>
      [
        `${source} (${version}) unstable; urgency=medium`,
        '',
        ...itemsOf(text).flatMap(changelogLines),
        '',
        ` -- ${maintainer}  ${dateText(time)}`,
        '',
      ].join('\n'),
    )
    .join('\n')
}

interface Item {
  readonly kind: 'heading' | 'item' | 'part'
  readonly text: string
}

/** Bullets, what belongs to them, and paragraphs, each on one line. */
function itemsOf(markdown: string): readonly Item[] {
  const items: Item[] = []
  let open = false
  for (const line of markdown.replaceAll(/<!--[\s\S]*?(?:-->|$)/g, '').split('\n')) {
    const [, mark = '', rest = line.trim()] = /^(\s*(?:[-*+]|\d+[.)])\s+|\s*#{1,6}\s+)(.*)$/.exec(line) ?? []
    const last = items.at(-1)
    if (rest === '' || /^(?:```|~~~)/.test(rest)) open = false
    else if (mark === '' && open && last) items[items.length - 1] = { ...last, text: `${last.text} ${plain(rest)}` }
    else {
      const kind = mark.includes('#') ? 'heading' : /^\s{2,}/.test(mark) ? 'part' : 'item'
      items.push({ kind, text: plain(rest) })
      open = kind !== 'heading'
    }
  }
  return items.some((i) => i.kind !== 'heading') ? items : [{ kind: 'item', text: 'New version.' }]
}

/** Links by their text, no marks of emphasis. */
function plain(text: string): string {
  return text
    .replaceAll(/!?\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])/g, '$1')
    .replaceAll(/(\*\*|__)(\S.*?\S|\S)\1/g, '$2')
    .replaceAll(/\s+/g, ' ')
    .trim()
}

function changelogLines({ kind, text }: Item): readonly string[] {
  if (kind === 'heading') return [`  [ ${text} ]`]
  const [first, next] = kind === 'item' ? ['  * ', '    '] : ['    - ', '      ']
  return wrapped(text, WIDTH - next.length).map((line, i) => `${i === 0 ? first : next}${line}`)
}

function wrapped(text: string, width: number): readonly string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last === undefined || last.length + 1 + word.length > width) lines.push(word)
    else lines[lines.length - 1] = `${last} ${word}`
  }
  return lines
}

/** `Mon, 06 May 2024 07:08:09 +0000`. */
function dateText(time: number): string {
  return new Date(time * 1000).toUTCString().replace(/GMT$/, '+0000')
}
