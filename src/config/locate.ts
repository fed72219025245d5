/**
 * Where a key stands in the file the user wrote. JSON and YAML are read with their positions; TypeScript and JavaScript are scanned
 * along nested object literals. When the place is not certain there is none: a wrong line is worse than no line.
 */
import { isCollection, isMap, LineCounter, parseDocument } from 'yaml'

export interface Place {
  /** From 1. */
  readonly line: number
  readonly column: number
}

type Path = readonly (string | number)[]

/** The place of the key or item that a path leads to, or of the nearest one above it. */
export function locate(file: string, text: string, path: Path): Place | undefined {
  for (let length = path.length; length > 0; length--) {
    const offset = /\.(json|ya?ml)$/.test(file)
      ? inYaml(text, path.slice(0, length))
      : inCode(text, path.slice(0, length))
    if (offset !== undefined) return placeOf(text, offset)
  }
  return undefined
}

function placeOf(text: string, offset: number): Place {
  const before = text.slice(0, offset).split('\n')
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 }
}

/** JSON is YAML too, so one reader with positions serves both. */
function inYaml(text: string, path: Path): number | undefined {
  const document = parseDocument(text, { lineCounter: new LineCounter() })
  let node: unknown = document.contents
  let offset: number | undefined
  for (const step of path) {
    if (isMap(node)) {
      const pair = node.items.find((item) => String(item.key) === String(step))
      const range = (pair?.key as { range?: readonly number[] } | undefined)?.range
      if (!pair || !range) return undefined
      offset = range[0]
      node = pair.value
    } else if (isCollection(node)) {
      const item = node.items[Number(step)] as { range?: readonly number[] } | undefined
      if (!item?.range) return undefined
      offset = item.range[0]
      node = item
    } else return undefined
  }
  return offset
}

interface Frame {
  readonly kind: '{' | '['
  key: string | number | undefined
}

/**
 * Walks the tokens of a script and keeps the path of keys from the outermost literal of the default export. Strings and comments are
 * skipped as such; a key is a name or string before a colon inside braces.
 */
function inCode(text: string, path: Path): number | undefined {
  const start = /export\s+default\b|module\.exports\s*=/.exec(text)
  if (!start) return undefined
  const token =
    /\/\/[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`|[A-Za-z_$][\w$-]*|\d+|[{}[\](),:]|=>/g
  token.lastIndex = start.index + start[0].length
  const frames: Frame[] = []
  let parens = 0
  let last: { readonly text: string; readonly index: number } | undefined
  for (let match = token.exec(text); match; match = token.exec(text)) {
    const [word] = match
    if (word.startsWith('//') || word.startsWith('/*')) continue
    const top = frames.at(-1)
    if (word === '{' || word === '[') {
      if (word === '[' && frames.length === 0) return undefined
      frames.push({ kind: word, key: word === '[' ? 0 : undefined })
      if (word === '[' && matches(frames, path)) return match.index + 1
    } else if (word === '}' || word === ']') {
      frames.pop()
      if (frames.length === 0) return undefined
    } else if (word === '(') parens++
    else if (word === ')') parens--
    else if (word === ':' && top?.kind === '{' && last && parens <= 1) {
      top.key = last.text.replace(/^['"`]|['"`]$/g, '')
      if (matches(frames, path)) return last.index
    } else if (word === ',' && top?.kind === '[') {
      top.key = Number(top.key) + 1
      if (matches(frames, path)) return match.index + 1 + (/^\s*/.exec(text.slice(match.index + 1))?.[0].length ?? 0)
    }
    last = { text: word, index: match.index }
  }
  return undefined
}

function matches(frames: readonly Frame[], path: Path): boolean {
  return frames.length === path.length && frames.every((frame, i) => String(frame.key) === String(path[i]))
}

/** `file:line:column` of an offset. */
export function placeText(file: string, text: string, offset: number): string {
  const { line, column } = placeOf(text, offset)
  return `${file}:${line}:${column}`
}
