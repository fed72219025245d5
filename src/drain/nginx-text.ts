/**
 * Text of an nginx file with `upstream` blocks -> its servers, and the same text with a server marked `down` or not. All other bytes stay
 * as they are. What ship marks has a comment of its own, so that a `down` which a person wrote is never taken away. Pure.
 *
 * Source: nginx's ngx_conf_read_token: words end at white space, ";" and "{"; "#" begins a comment where a word could begin; quoted words
 * end at the same quote, and a backslash takes the next character as it is.
 */
import type { Pool, Standing } from './drain.ts'

/** Follows the ";" of what ship marked. */
const MARK = ' # drained by ship'
/** The same inside the directive, for a line that goes on after it. */
const INSIDE = `${MARK}\n`
/** In a template: the line that holds it is written once for each server. */
export const PLACEHOLDER = '{server}'

interface Word {
  readonly text: string
  readonly start: number
  readonly end: number
}

interface ServerLine {
  readonly upstream: string
  readonly address: string
  /** Offset of the directive's ";". */
  readonly end: number
  readonly down: Word | undefined
  /** Ship's mark and where it ends, when it was ship who wrote `down`. */
  readonly mark: 'after' | 'inside' | undefined
}

/** The pools of a file. Servers outside of any block, as in a file that an upstream includes, are the pool "". */
export function poolsIn(text: string, upstream?: string): Pool[] {
  const lines = serverLines(text).filter((line) => upstream === undefined || line.upstream === upstream)
  return [...Map.groupBy(lines, (line) => line.upstream)].map(([name, servers]) => ({
    name,
    servers: new Map(servers.map((line) => [line.address, standing(line)])),
  }))
}

/** The text with some servers marked or not; those that a person took out stay as they are. */
export function withServers(
  text: string,
  { servers, to, upstream }: { servers: ReadonlySet<string>; to: 'drained' | 'in'; upstream?: string | undefined },
): string {
  const lines = serverLines(text).filter(
    (line) => servers.has(line.address) && (upstream === undefined || line.upstream === upstream),
  )
  // From the end, so that offsets of what comes before stay right.
  return lines.toReversed().reduce((now, line) => (to === 'drained' ? marked(now, line) : unmarked(now, line)), text)
}

/** A template with its servers; all of them get requests. */
export function rendered(template: string, servers: readonly string[]): string {
  return template
    .split('\n')
    .flatMap((line) =>
      line.includes(PLACEHOLDER) ? servers.map((server) => line.replaceAll(PLACEHOLDER, server)) : [line],
    )
    .join('\n')
}

function standing({ down, mark }: ServerLine): Standing {
  return down === undefined ? 'in' : mark === undefined ? 'out' : 'drained'
}

function marked(text: string, line: ServerLine): string {
  if (line.down) return text
  const [head, rest] = [text.slice(0, line.end), text.slice(line.end + 1)]
  const isLast = /^[ \t]*(?:#.*)?(?:\r?\n|$)/.test(rest)
  return isLast ? `${head} down;${MARK}${rest}` : `${head} down${INSIDE};${rest}`
}

function unmarked(text: string, { down, mark, end }: ServerLine): string {
  if (!down || mark === undefined) return text
  const head = text.slice(0, down.start).replace(/ $/, '')
  return mark === 'after'
    ? head + text.slice(down.end, end + 1) + text.slice(end + 1 + MARK.length)
    : head + text.slice(down.end + INSIDE.length)
}

/** Every `server ADDRESS ...;` directly in an upstream or outside of any block. */
function serverLines(text: string): ServerLine[] {
  const found: ServerLine[] = []
  const blocks: (readonly Word[])[] = []
  let words: Word[] = []
  for (const word of tokens(text)) {
    if (word.text === '{') blocks.push(words)
    else if (word.text === '}') blocks.pop()
    else if (word.text !== ';') {
      words.push(word)
      continue
    } else if (isServer(words, blocks)) found.push(serverLine(text, words, { blocks, end: word.start }))
    words = []
  }
  return found
}

function isServer([first, address]: readonly Word[], blocks: readonly (readonly Word[])[]): boolean {
  const [block] = blocks
  const direct = blocks.length === 0 || (blocks.length === 1 && block?.[0]?.text === 'upstream')
  return direct && first?.text === 'server' && address !== undefined
}

function serverLine(
  text: string,
  words: readonly Word[],
  { blocks, end }: { readonly blocks: readonly (readonly Word[])[]; readonly end: number },
): ServerLine {
  const down = words.find((word) => word.text === 'down')
  const inside = down !== undefined && text.startsWith(INSIDE, down.end) ? 'inside' : undefined
  const after = text.startsWith(MARK, end + 1) ? 'after' : undefined
  const [block] = blocks
  return { upstream: block?.[1]?.text ?? '', address: words[1]?.text ?? '', end, down, mark: inside ?? after }
}

/** Words with their places, and ";", "{" and "}" as words of their own; comments are left out. */
function* tokens(text: string): Generator<Word> {
  const pattern = /#[^\n]*|[;{}]|"(?:\\[\s\S]|[^"\\])*"|'(?:\\[\s\S]|[^'\\])*'|(?:\\[\s\S]|\$\{[^}]*\}|[^\s;{}\\])+|\\/g
  for (const match of text.matchAll(pattern)) {
    const [word] = match
    if (word.startsWith('#')) continue
    const isQuoted = /^(["'])[\s\S]*\1$/.test(word) && word.length > 1
    yield { text: isQuoted ? word.slice(1, -1) : word, start: match.index, end: match.index + word.length }
  }
}
