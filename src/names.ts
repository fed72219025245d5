/**
 * Names that reach a host, a file name or a shell are parsed once, here, into branded strings of one short alphabet;
 * inside, the types are trusted. Values never become part of a shell text (see `shell.ts`): this is the second wall.
 */
import { randomBytes } from 'node:crypto'
import { ShipError } from './errors.ts'

declare const brand: unique symbol
type Branded<B extends string> = string & { readonly [brand]: B }

/** Name of an application: lower case, starts with a letter, at most 64 characters. */
export type AppName = Branded<'AppName'>
/** What a user calls a host in output and `--hosts`: letters, digits, `.`, `_`, `-`, `:` and brackets. */
export type HostName = Branded<'HostName'>
/** A path inside a tree: relative, `/` between segments, no empty, `.` or `..` segment, no control character or backslash. */
export type RelPath = Branded<'RelPath'>
/** Fencing token of one lock holder: 32 hexadecimal characters. */
export type Token = Branded<'Token'>

const APP_NAME = /^[a-z][a-z0-9._+-]{0,63}$/
const HOST_NAME = /^[A-Za-z0-9_[][A-Za-z0-9._:[\]%-]{0,254}$/
const RESERVED = new Set(['current', 'releases', 'shared'])
/** Linux limits: NAME_MAX, and PATH_MAX less room for the release's own prefix. */
const MAX_SEGMENT_BYTES = 255
const MAX_PATH_BYTES = 3500
const MAX_DEPTH = 64

/** Made when somebody sorts: it takes some milliseconds. */
let collator: Intl.Collator | undefined

/** The order that people count in: web2 before web10. */
export function compareNames(a: string, b: string): number {
  collator ??= new Intl.Collator('en', { numeric: true })
  return collator.compare(a, b)
}

export const APP_NAME_RULE =
  'use lower-case letters, digits, ".", "_", "+" and "-", starting with a letter, at most 64 characters'

export function isAppName(text: string): text is AppName {
  return APP_NAME.test(text) && !RESERVED.has(text)
}

export function parseAppName(text: string): AppName {
  if (!isAppName(text)) {
    throw new ShipError('config', `"${escapeControls(text)}" is not a name for an app`, {
      next: [APP_NAME_RULE],
    })
  }
  return text
}

export function parseHostName(text: string): HostName {
  if (!HOST_NAME.test(text)) {
    throw new ShipError('config', `"${escapeControls(text)}" is not a name or address of a host`, {
      next: ['use a DNS name or an IP address; user and port as "user@host:port" or in an object'],
    })
  }
  return text as HostName
}

/** Nearly every path is found good by one look: ASCII of at most this length (so no deeper than `MAX_DEPTH`), every segment a name. */
const MAX_PLAIN = 2 * MAX_DEPTH - 1
const NOT_PLAIN = /[^ -[\]-~]|(?:^|\/)\.{0,2}(?:\/|$)/

/** Why a string is no path inside a tree, or undefined when it is one. */
export function relPathProblem(text: string): string | undefined {
  if (text.length <= MAX_PLAIN && !NOT_PLAIN.test(text)) return undefined
  if (text === '') return 'is empty'
  if (text.startsWith('/')) return 'is absolute'
  // oxlint-disable-next-line no-control-regex -- control characters are exactly what is looked for
  if (/[\u0000-\u001f\u007f]/.test(text)) return 'holds a control character'
  // sha256sum of GNU escapes it, that of BusyBox does not: no list of sums would read alike on every host.
  if (text.includes('\\')) return 'holds a backslash'
  if (!text.isWellFormed()) return 'is not valid Unicode'
  const segments = text.split('/')
  if (segments.some((s) => s === '' || s === '.')) return 'has an empty or "." segment'
  if (segments.includes('..')) return 'climbs out with ".."'
  if (segments.length > MAX_DEPTH) return `is deeper than ${MAX_DEPTH} levels`
  if (segments.some((s) => Buffer.byteLength(s) > MAX_SEGMENT_BYTES))
    return `has a name above ${MAX_SEGMENT_BYTES} bytes`
  if (Buffer.byteLength(text) > MAX_PATH_BYTES) return `is longer than ${MAX_PATH_BYTES} bytes`
  return undefined
}

/** Parses a path inside a tree; the error is of reason `config` unless told otherwise. */
export function parseRelPath(text: string, reason: 'config' | 'build' | 'refused' = 'config'): RelPath {
  const problem = relPathProblem(text)
  if (problem) throw new ShipError(reason, `path "${escapeControls(text)}" ${problem}`)
  return text as RelPath
}

/** A token nobody else has. */
export function newToken(): Token {
  return randomBytes(16).toString('hex') as Token
}

export function isToken(text: string): text is Token {
  return /^[0-9a-f]{32}$/.test(text)
}

/** Makes text of unknown origin safe to print: control characters and bidirectional overrides become `\xNN` or `\u{N}`. */
export function escapeControls(text: string, keep: 'nothing' | 'newlines' = 'nothing'): string {
  // oxlint-disable-next-line no-control-regex -- control characters are exactly what is looked for
  const pattern = /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g
  return text.replace(pattern, (c) => {
    if (keep === 'newlines' && (c === '\n' || c === '\t')) return c
    const code = c.codePointAt(0) ?? 0
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`
  })
}
