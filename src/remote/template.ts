/**
 * A command written as a template -> a `Script`: the template's own text, and its values as arguments. A value never becomes part of the
 * text: where it stood there is a variable of the shell, quoted as that place in the text wants it. So there is nothing to escape, and a
 * value cannot end a quotation, start a command, or be split. Places where a shell would evaluate even a quoted value are refused.
 */
import { ShipError } from '../errors.ts'
import type { CommandValue } from '../machine.ts'
import type { Script } from '../shell.ts'

/** Reads the parts of a template. Rejects with reason `usage`, naming the value by its position from 1. */
export function templateScript(parts: readonly (string | undefined)[], values: readonly unknown[]): Script {
  const lexer = shellLexer()
  const args: string[] = []
  let text = ''
  for (const [index, part] of parts.entries()) {
    if (part === undefined) throw refused('a backslash before a letter that JavaScript does not know', ['write \\\\'])
    lexer.read(part)
    text += part
    if (index >= values.length) break
    const words = wordsOf(values[index], index + 1)
    const place = lexer.place()
    if (place.problem !== undefined) {
      throw refused(`value ${index + 1} stands ${place.problem}`, [place.instead ?? 'put it into a variable first'])
    }
    if (Array.isArray(values[index]) && !(place.quotes === 'none' && isWhole(parts, index, values.length))) {
      throw refused(`value ${index + 1} is a list and is not a word by itself`, [
        'leave spaces around it, and no quotes',
      ])
    }
    const names = words.map((word) => `ship_${args.push(word)}`)
    text += names.map((name) => QUOTED[place.quotes](name)).join(' ')
    // What follows in the same word would otherwise be read as following a space.
    if (words.length > 0) lexer.stood()
  }
  if (text.trim() === '') throw refused('there is no command')
  // Variables and no "$1": a function of the text has arguments of its own.
  const taken = args.map((_, i) => `ship_${i + 1}=\${${i + 1}};`).join('')
  const drop = args.length === 0 ? '' : `shift ${args.length};`
  return { name: titleOf(parts, values), text: `${taken}${drop}${text}`, args }
}

/** Whether a value is a word of its own: nothing of the text, and no other value, touches it. */
function isWhole(parts: readonly (string | undefined)[], index: number, count: number): boolean {
  const [before = '', after = ''] = [parts[index], parts[index + 1]]
  const begins = before === '' ? index === 0 : /[\s;&|(]$/.test(before)
  return begins && (after === '' ? index === count - 1 : /^[\s;&|)<>]/.test(after))
}

type Quotes = 'none' | 'double' | 'single'

const QUOTED: Readonly<Record<Quotes, (name: string) => string>> = {
  none: (name) => `"\${${name}}"`,
  double: (name) => `\${${name}}`,
  single: (name) => `'"\${${name}}"'`,
}

function refused(problem: string, next: readonly string[] = []): ShipError {
  return new ShipError('usage', `not a command: ${problem}`, { next })
}

function wordsOf(value: unknown, position: number): string[] {
  if (Array.isArray(value)) return value.map((item) => wordOf(item, position))
  return [wordOf(value, position)]
}

function wordOf(value: unknown, position: number): string {
  const known = typeof value === 'string' || typeof value === 'bigint' || typeof value === 'boolean'
  if (!known && !(typeof value === 'number' && Number.isFinite(value))) {
    const what = value === null ? 'null' : typeof value === 'number' ? String(value) : typeof value
    throw refused(`value ${position} is ${what}`, ['give text, a number, or a list of them'])
  }
  const word = String(value)
  if (word.includes('\0')) throw refused(`value ${position} holds a NUL byte, which no argument can`)
  return word
}

/** The command as people may read it; it is never run. */
function titleOf(parts: readonly (string | undefined)[], values: readonly unknown[]): string {
  const shown = (value: unknown): string => (Array.isArray(value) ? value.map(String).join(' ') : String(value))
  const text = parts
    .map((part, i) => `${part ?? ''}${i < values.length ? shown(values[i] as CommandValue) : ''}`)
    .join('')
  return text.trim().replaceAll(/\s+/g, ' ')
}

type Frame = 'text' | 'parenthesis' | 'substitution' | 'double' | 'single' | 'backtick' | 'parameter' | 'arithmetic'

/** Where a command begins, and commands of a shell that evaluate their arguments once more. */
const COMMAND_PLACE = /(?:^|[;&|(\n]|(?:^|\s)(?:if|then|elif|else|while|until|do|!|\{))\s*$/
const EVALUATES = /^(?:(?:eval|let)\s|\[\[|\(\()/

interface Place {
  readonly quotes: Quotes
  readonly problem?: string
  readonly instead?: string
}

/** Follows the quotation of a shell text, part by part. It need not know the language, only what quotes a value and what would not. */
function shellLexer() {
  const frames: Frame[] = ['text']
  let seen = ''
  let before = ''
  let escaped = false
  let comment = false
  let hereDocument = false
  let caseInside = false
  let evaluates = false
  let dollarQuote = false
  const top = (): Frame => frames.at(-1) ?? 'text'
  const bare = (): boolean => ['text', 'parenthesis', 'substitution'].includes(top())

  /** Characters of quotations and substitutions at `at`; how many were read. */
  const open = (text: string, at: number): number => {
    if (text.startsWith('$((', at)) return (frames.push('arithmetic', 'arithmetic'), 3)
    if (text.startsWith('$(', at)) return (frames.push('substitution'), 2)
    if (text.startsWith('${', at)) return (frames.push('parameter'), 2)
    if (text[at] === '`') {
      if (top() === 'backtick') frames.pop()
      else frames.push('backtick')
      return 1
    }
    return 0
  }
  const one = (text: string, at: number): number => {
    const char = text[at] ?? ''
    if (comment) {
      if (char === '\n') comment = false
      return 1
    }
    if (escaped) return ((escaped = false), 1)
    if (top() === 'single') return (char === "'" && frames.pop(), 1)
    if (char === '\\') return ((escaped = true), 1)
    const read = open(text, at)
    if (read > 0) return read
    if (top() === 'double') return (char === '"' && frames.pop(), 1)
    if (char === '"') return (frames.push('double'), 1)
    if (char === "'" && top() !== 'arithmetic') {
      if (before === '$') dollarQuote = true
      return (frames.push('single'), 1)
    }
    if (char === '(' && (bare() || top() === 'arithmetic'))
      frames.push(top() === 'arithmetic' ? 'arithmetic' : 'parenthesis')
    else if (char === ')' && frames.length > 1 && (bare() || top() === 'arithmetic')) frames.pop()
    else if (char === '}' && top() === 'parameter') frames.pop()
    else if (bare()) word(text, at)
    return 1
  }
  const word = (text: string, at: number): void => {
    const starts = before === '' || /[\s;&|()<>]/.test(before)
    if (text[at] === '#' && starts) comment = true
    if (text.startsWith('<<', at)) hereDocument = true
    if (!starts) return
    if (/^case\s/.test(text.slice(at)) && frames.includes('substitution')) caseInside = true
    if (COMMAND_PLACE.test(seen + text.slice(0, at)) && EVALUATES.test(text.slice(at))) evaluates = true
  }
  return {
    read(text: string): void {
      for (let at = 0; at < text.length;) {
        const next = at + one(text, at)
        before = text[next - 1] ?? ''
        at = next
      }
      seen += text
    },
    stood(): void {
      before = 'x'
      seen += before
    },
    place(): Place {
      const quotes = top() === 'double' ? 'double' : top() === 'single' ? 'single' : 'none'
      const problem = problemOf(frames, {
        escaped,
        dollar: !escaped && before === '$',
        hereDocument,
        caseInside,
        evaluates,
        dollarQuote,
      })
      return { quotes, ...problem }
    },
  }
}

interface Marks {
  readonly escaped: boolean
  readonly dollar: boolean
  readonly hereDocument: boolean
  readonly caseInside: boolean
  readonly evaluates: boolean
  readonly dollarQuote: boolean
}

/** Why a value may not stand here. */
function problemOf(frames: readonly Frame[], marks: Marks): Omit<Place, 'quotes'> | undefined {
  if (marks.escaped) return { problem: 'behind a backslash', instead: 'leave the backslash out: a value needs none' }
  if (marks.dollar) return { problem: 'behind a "$"', instead: 'a value is not the name of a variable' }
  if (frames.includes('arithmetic'))
    return { problem: 'in $((...)), where shells evaluate it', instead: 'reckon in JavaScript' }
  if (frames.includes('backtick')) return { problem: 'in backticks', instead: 'use $(...) there' }
  if (frames.includes('parameter')) return { problem: 'in a ${...} of the shell', instead: 'decide in JavaScript' }
  if (marks.hereDocument) return { problem: 'behind "<<"', instead: 'give the text as stdin' }
  if (marks.dollarQuote) return { problem: "behind $'...', which not every sh knows", instead: "use '...' or a value" }
  if (marks.evaluates)
    return {
      problem: 'behind eval, let, "[[" or "((", which evaluate it',
      instead: 'use test, or decide in JavaScript',
    }
  if (marks.caseInside) return { problem: 'behind a "case" in $(...)', instead: 'put the case outside' }
  return undefined
}
