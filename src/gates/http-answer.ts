/** What an HTTP check asks for, and whether an answer is good. Pure. */
import { z } from 'zod'
import { escapeControls } from '../names.ts'
import type { ProbeAnswer } from './gate.ts'

const status = z.int().min(100).max(599)

export const httpOptions = z.strictObject({
  http: z
    .string()
    .refine((text) => isAddress(text), 'is not a URL; write "http://127.0.0.1:8080/healthz"')
    .describe('URL as seen from the host; {host}, {address} and {LABEL} are filled in'),
  method: z
    .enum(['GET', 'HEAD', 'POST', 'OPTIONS'], { error: 'use GET, HEAD, POST or OPTIONS' })
    .default('GET')
    .describe('How to ask; no body is sent'),
  expect: z
    .union([status, z.array(status).min(1)])
    .optional()
    .describe('Status or statuses that are good; default 200 to 399'),
  body: z.string().optional().describe('Text that the answer must hold'),
  matches: z
    .string()
    .refine((text) => isPattern(text), 'is not a regular expression')
    .optional()
    .describe('Regular expression that the answer must match, line by line ("^ok$")'),
  headers: z.record(z.string(), z.string()).default({}).describe('Headers to send'),
  expectHeaders: z
    .record(z.string(), z.string())
    .default({})
    .describe('Headers that the answer must have, and text that each must hold'),
  serverName: z
    .string()
    .min(1)
    .optional()
    .describe('Name to ask for by TLS, and that the certificate is for, when it is not the one in the URL'),
  ca: z.string().min(1).optional().describe('File of the certificates (PEM) to trust instead of the public ones'),
  insecure: z.boolean().default(false).describe('Accept a certificate that cannot be verified'),
})

export type HttpOptions = z.output<typeof httpOptions>

export interface HttpAnswer {
  readonly status: number
  /** By names in lower case. */
  readonly headers: ReadonlyMap<string, string | readonly string[] | undefined>
  readonly body: string
}

/** Read of an answer; a health page is small. */
export const MAX_BODY = 64 * 1024

export function judge(asked: HttpOptions, { status: code, headers, body }: HttpAnswer): ProbeAnswer {
  const { expect, body: wanted, matches, expectHeaders } = asked
  const good = expect === undefined ? code >= 200 && code < 400 : [expect].flat().includes(code)
  if (!good) return { ok: false, said: `${code}${firstLine(body)}` }
  if (wanted !== undefined && !body.includes(wanted))
    return { ok: false, said: `${code} without "${escapeControls(wanted)}"` }
  if (matches !== undefined && !new RegExp(matches, 'mu').test(body))
    return { ok: false, said: `${code} without a match of /${escapeControls(matches)}/${firstLine(body)}` }
  for (const [name, value] of Object.entries(expectHeaders)) {
    const found = headers.get(name.toLowerCase())
    const text = found === undefined ? undefined : [found].flat().join(', ')
    if (text?.includes(value) === true) continue
    const is = text === undefined ? 'has none' : `is "${escapeControls(text).slice(0, 120)}"`
    return { ok: false, said: `${code}, but "${escapeControls(name)}" ${is}` }
  }
  return { ok: true, said: String(code) }
}

function firstLine(body: string): string {
  const line = body.trim().split(/\r?\n/)[0] ?? ''
  return line === '' ? '' : ` "${escapeControls(line.slice(0, 120))}"`
}

/** With its placeholders filled by anything, a URL. */
function isAddress(text: string): boolean {
  const filled = text.replaceAll(/\{[^{}]*\}/g, '1')
  return /^https?:\/\/[^/]/.test(filled) && URL.canParse(filled)
}

function isPattern(text: string): boolean {
  try {
    return new RegExp(text, 'mu').source !== ''
  } catch {
    return false
  }
}
