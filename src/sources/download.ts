/** Downloads that are kept by digest, so that a replayed build needs no network. */
import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { messageOf, ShipError, throwIfAborted } from '../errors.ts'
import { escapeControls } from '../names.ts'
import { publicAddress } from '../public-url.ts'
import { requestOf } from './address.ts'
import { digestIfThere } from '../file-digest.ts'
import type { SourceContext } from './source.ts'
import { isArchive } from './unpack.ts'

const TRIES = 3
const HEAD_BYTES = 80
const STALLED_MS = 60_000

export interface Download {
  readonly file: string
  readonly sha256: string
  readonly size: number
}

/**
 * The file behind the first of `urls` that gives it. With `sha256` a kept copy is taken, and other bytes are an error that tells what
 * came instead: a page that says "gone" has a digest as well. Without it, a page in place of an archive is an error too.
 */
export async function download(urls: readonly string[], context: SourceContext, sha256?: string): Promise<Download> {
  const folder = join(context.cache, 'downloads')
  await mkdir(folder, { recursive: true })
  if (sha256 !== undefined) {
    const file = join(folder, sha256)
    if (await isKept(file, 'sha256', sha256)) return { file, sha256, size: (await stat(file)).size }
  }
  const temp = await mkdtemp(join(folder, '.new-'))
  try {
    const failures: string[] = []
    for (const url of urls) {
      const received = await tried(url, join(temp, 'file'), context, failures)
      const wrong = received && problemOf(received, url, sha256)
      if (wrong !== undefined) failures.push(`${publicAddress(url)}: ${wrong}`)
      if (!received || wrong !== undefined) continue
      const file = join(folder, received.sha256)
      await rename(received.file, file)
      return { file, sha256: received.sha256, size: received.size }
    }
    throw new ShipError('build', `"${publicAddress(urls[0] ?? '')}" could not be fetched`, {
      details: sha256 === undefined ? failures : [...failures, `wanted is sha256 ${sha256}`],
      next: ['if the new content is meant: ship lock', 'or give the source mirrors'],
    })
  } finally {
    await rm(temp, { recursive: true, force: true })
  }
}

/** Whether a kept file is there and whole; one that is not is removed. `digest` is hexadecimal for sha256, base64 for sha512. */
export async function isKept(file: string, algorithm: 'sha256' | 'sha512', digest: string): Promise<boolean> {
  const found = await digestIfThere(file, algorithm)
  if (found === digest) return true
  if (found !== undefined) await rm(file, { force: true })
  return false
}

interface Received extends Download {
  readonly type: string
  /** The first bytes, quoted. */
  readonly head: string
}

function problemOf(
  { sha256, size, type, head }: Received,
  url: string,
  wanted: string | undefined,
): string | undefined {
  const said = `${size} bytes, ${type}, beginning with ${head}`
  if (wanted !== undefined) return sha256 === wanted ? undefined : `other bytes than wanted: sha256 ${sha256}, ${said}`
  return /^text\/html\b/i.test(type) && isArchive(fileNameOf(url)) ? `a page instead of an archive: ${said}` : undefined
}

/** Three tries; what went wrong is added to `failures`. */
async function tried(
  url: string,
  file: string,
  context: SourceContext,
  failures: string[],
): Promise<Received | undefined> {
  for (let turn = 1; ; turn++) {
    try {
      return await receive(url, file, context)
    } catch (error) {
      throwIfAborted(context.signal)
      if (turn < TRIES && !(error instanceof Answer)) continue
      failures.push(`${publicAddress(url)}: ${error instanceof Answer ? error.message : causes(error)}`)
      return undefined
    }
  }
}

/** The server answered, and the answer is no: asking again will not help. */
class Answer extends Error {}

async function receive(address: string, file: string, { signal, log }: SourceContext): Promise<Received> {
  log(`fetch ${publicAddress(address)}`)
  const stalled = new AbortController()
  const timer = setTimeout(() => stalled.abort(new Error('nothing came for a minute')), STALLED_MS)
  const { url, headers } = requestOf(address)
  try {
    const response = await fetch(url, {
      // An archive is what it is on the server, not what a proxy makes of it.
      headers: { ...headers, 'accept-encoding': 'identity' },
      signal: AbortSignal.any([signal, stalled.signal]),
      redirect: 'follow',
    })
    const type = response.headers.get('content-type') ?? 'no content type'
    if (url.startsWith('https:') && response.url.startsWith('http:'))
      throw new Answer(`is sent on to "${publicAddress(response.url)}", without encryption`)
    if (!response.ok || !response.body) {
      const said = [`HTTP ${response.status} ${response.statusText}`.trim(), type, await beginning(response)]
      throw new Answer(said.filter((part) => part !== '').join(', '))
    }
    const sum = createHash('sha256')
    let size = 0
    let head = Buffer.alloc(0)
    const counted = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        timer.refresh()
        sum.update(chunk)
        size += chunk.length
        if (head.length < HEAD_BYTES) head = Buffer.concat([head, chunk]).subarray(0, HEAD_BYTES)
        done(null, chunk)
      },
    })
    await pipeline(Readable.fromWeb(response.body), counted, createWriteStream(file, { flush: true }))
    const wanted = response.headers.get('content-length')
    if (wanted !== null && response.headers.get('content-encoding') === null && Number(wanted) !== size)
      throw new Error(`${size} bytes came of ${wanted}`)
    return { file, sha256: sum.digest('hex'), size, type, head: quoted(head) }
  } finally {
    clearTimeout(timer)
  }
}

/** How the page of an error begins; nothing when it does not come. */
async function beginning({ body }: Response): Promise<string> {
  const reader = body?.getReader()
  try {
    const read = await reader?.read()
    const head = Buffer.from(read?.value ?? []).subarray(0, HEAD_BYTES)
    return head.length === 0 ? '' : `beginning with ${quoted(head)}`
  } catch {
    return ''
  } finally {
    await reader?.cancel().catch(() => undefined)
  }
}

function quoted(head: Buffer): string {
  return JSON.stringify(escapeControls(head.toString('latin1')))
}

/** What went wrong with a fetch, which hides the reason in `cause`. */
export function causes(error: unknown): string {
  const inner = error instanceof Error && error.cause !== undefined ? `: ${messageOf(error.cause)}` : ''
  return `${messageOf(error)}${inner}`
}

/** Name that a URL's file has. */
export function fileNameOf(url: string): string {
  const name = basename(new URL(url).pathname)
  return name === '' ? 'download' : name
}
