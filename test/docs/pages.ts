/** The pages of the documentation, and what is in them: fenced blocks, command lines, headings, links. */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export const ROOT = join(import.meta.dirname, '../..')

export interface Page {
  /** Relative to the project. */
  readonly file: string
  readonly text: string
  readonly blocks: readonly Block[]
}

export interface Block {
  readonly file: string
  /** Where it begins, from 1. */
  readonly line: number
  /** First word behind the fence: `ts`, `sh`, `yaml`, ... */
  readonly language: string
  /** What else stands there: what the block is. See CONTRIBUTING.md, "Words". */
  readonly kind: string
  readonly text: string
}

/** What is written by hand for users. Transcripts are made from runs, and are not commands to type. */
export function pages(): readonly Page[] {
  const found = globSync(['README.md', 'SECURITY.md', 'CONTRIBUTING.md', 'docs/**/*.md'], { cwd: ROOT })
  return found
    .filter((file) => !file.startsWith('docs/transcripts/'))
    .toSorted()
    .map((file) => {
      const text = readFileSync(join(ROOT, file), 'utf8')
      return { file, text, blocks: blocksOf(file, text) }
    })
}

export function where({ file, line }: Pick<Block, 'file' | 'line'>): string {
  return `${file}:${line}`
}

const FENCE = /^```(\w*) ?([^`]*)$/

export function blocksOf(file: string, text: string): readonly Block[] {
  const blocks: Block[] = []
  let open:
    | { readonly line: number; readonly language: string; readonly kind: string; readonly lines: string[] }
    | undefined
  for (const [index, line] of text.split('\n').entries()) {
    const fence = FENCE.exec(line)
    if (open && line === '```') {
      blocks.push({ file, ...open, text: `${open.lines.join('\n')}\n` })
      open = undefined
    } else if (open) open.lines.push(line)
    else if (fence) open = { line: index + 1, language: fence[1] ?? '', kind: fence[2]?.trim() ?? '', lines: [] }
  }
  if (open) throw new Error(`${file}:${open.line}: this block has no end`)
  return blocks
}

/** The text without its fenced blocks; lines stay where they are. */
export function prose(text: string): string {
  return text.replaceAll(/^```[\s\S]*?^```$/gm, (block) => block.replaceAll(/[^\n]/g, ''))
}

/** GitHub's anchors of the headings of a page. */
export function anchors(text: string): ReadonlySet<string> {
  const seen = new Map<string, number>()
  const all = [...prose(text).matchAll(/^#{1,6} (.+)$/gm)].map(([, title = '']) => {
    const plain = title
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replaceAll(/\s/g, '-')
    const times = seen.get(plain) ?? 0
    seen.set(plain, times + 1)
    return times === 0 ? plain : `${plain}-${times}`
  })
  return new Set(all)
}

/** Targets of the links in the text, with their lines. */
export function links(text: string): readonly { readonly target: string; readonly line: number }[] {
  return prose(text)
    .split('\n')
    .flatMap((line, index) => {
      const plain = line.replaceAll(/`[^`]*`/g, '')
      const markdown = [...plain.matchAll(/\]\(([^)\s]+)\)/g)]
      return markdown.map(([, target = '']) => ({ target, line: index + 1 }))
    })
}
