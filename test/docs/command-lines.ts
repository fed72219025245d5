/** Command lines of ship in text that people read: found, and cut into words as a shell would. */
import { prose, type Page } from './pages.ts'

export interface CommandLine {
  /** "docs/tutorial.md:12". */
  readonly place: string
  /** Behind `ship`. */
  readonly words: readonly string[]
  /** In a sentence, where arguments may be left out. */
  readonly isTold: boolean
}

/** What may stand before `ship`. */
const BEFORE = /^(?:[A-Z_]+=\S*|sudo|npx|--yes|-y|exec|time)$/
const PROGRAM = /^(?:ship|slipway(?:@[\w.${}-]+)?)$/

/** Those in blocks of a shell and of workflows, and those in backticks in the text. */
export function commandLines({ file, text, blocks }: Page): readonly CommandLine[] {
  const scripts = blocks.filter(({ language }) => language === 'sh' || language === 'yaml')
  const typed = scripts.flatMap((block) =>
    block.text.split('\n').flatMap((line, index) => {
      const place = `${file}:${block.line + index + 1}`
      return shipCommands(block.language === 'yaml' ? line.replace(/^\s*(?:- )?(?:run: )?/, '') : line, place)
    }),
  )
  const told = prose(text)
    .split('\n')
    .flatMap((line, index) =>
      [...line.matchAll(/`((?:npx )?ship [^`]+)`/g)].flatMap(([, command = '']) =>
        shipCommands(command, `${file}:${index + 1}`, true),
      ),
    )
  return [...typed, ...told]
}

function shipCommands(line: string, place: string, isTold = false): readonly CommandLine[] {
  return commandsOf(line).flatMap((all) => {
    const words = all.slice(all.findIndex((word) => !BEFORE.test(word)))
    return PROGRAM.test(words[0] ?? '') ? [{ place, words: words.slice(1), isTold }] : []
  })
}

/** Commands of one line, cut at `&&`, `||`, `;` and `|`; without comments and redirections. */
export function commandsOf(line: string): readonly (readonly string[])[] {
  const commands: string[][] = [[]]
  for (const [token, space] of tokensOf(line)) {
    if (space === '#') break
    if (/^(?:&&|\|\||;|\|)$/.test(token) && space === 'bare') commands.push([])
    else if (space === 'bare' && /^\d?>>?/.test(token)) commands.at(-1)?.push(token)
    else commands.at(-1)?.push(token)
  }
  return commands.map(withoutRedirections).filter((words) => words.length > 0)
}

type Token = readonly [text: string, how: 'bare' | 'quoted' | '#']

function tokensOf(line: string): readonly Token[] {
  return [...line.matchAll(/(?:[^\s"';|&]|"[^"]*"|'[^']*'|&(?!&))+|&&|\|\|?|;/g)].map(([token]): Token => {
    if (token.startsWith('#')) return [token, '#']
    const isQuoted = /["']/.test(token)
    return [
      token.replaceAll(/"([^"]*)"|'([^']*)'/g, (_all, one?: string, two?: string) => one ?? two ?? ''),
      isQuoted ? 'quoted' : 'bare',
    ]
  })
}

function withoutRedirections(words: readonly string[]): readonly string[] {
  const first = words.findIndex((word) => /^\d?[<>]/.test(word))
  return first < 0 ? words : words.slice(0, first)
}
