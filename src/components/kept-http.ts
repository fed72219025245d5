/**
 * Kept parts at an HTTP address that takes GET and PUT: a store of a CI, a bucket, a WebDAV folder. It is a help and never a need: when it
 * does not answer, that is said once, and the build goes on without it.
 */
import { createWriteStream, openAsBlob } from 'node:fs'
import { Readable, Transform, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { throwIfAborted } from '../errors.ts'
import { publicAddress } from '../public-url.ts'
import { requestOf } from '../sources/address.ts'
import { causes } from '../sources/download.ts'

interface SharedFiles {
  readonly list: string
  readonly archive: string
}

export interface SharedCache {
  /** Text of a list; undefined when there is none, or no answer. */
  readonly pullList: (name: string, signal: AbortSignal) => Promise<string | undefined>
  /** Writes an archive to a file. False when there is none, undefined when there is no answer. */
  readonly pullArchive: (name: string, to: string, signal: AbortSignal) => Promise<boolean | undefined>
  /** Sends both files under these names, when that is wanted at all. */
  readonly push: (names: SharedFiles, files: SharedFiles, signal: AbortSignal) => Promise<void>
}

export interface SharedCacheOptions {
  readonly url: string
  /** Whether parts built here are sent. */
  readonly push: boolean
  readonly warn: (message: string) => void
  /** How long nothing may come. */
  readonly stallMs?: number
}

const STALL_MS = 20_000
/** Of a line that is worth sending over. */
const SLOWEST_BYTES_PER_MS = 100
const MAX_LIST_BYTES = 64 * 1024 ** 2
const MAX_ARCHIVE_BYTES = 8 * 1024 ** 3

export function sharedCache({ url, push, warn, stallMs = STALL_MS }: SharedCacheOptions): SharedCache {
  const base = url.replace(/\/+$/, '')
  let silent = false
  /** Undefined after a failure, and for everything that follows it. */
  const asked = async <T>(signal: AbortSignal, work: () => Promise<T>): Promise<T | undefined> => {
    if (silent) return undefined
    try {
      return await work()
    } catch (error) {
      throwIfAborted(signal)
      if (!silent) warn(`the shared cache "${publicAddress(base)}" is left alone: ${causes(error)}`)
      silent = true
      return undefined
    }
  }
  const get = (name: string, signal: AbortSignal, max: number, to: Writable): Promise<boolean | undefined> =>
    asked(signal, async () => {
      const timer = stallTimer(signal, stallMs)
      try {
        const response = await send(`${base}/${name}`, { signal: timer.signal })
        if (response.status === 404 || response.status === 403) {
          await response.body?.cancel()
          return false
        }
        if (!response.ok || !response.body) throw new Error(`it answers with HTTP ${response.status}`)
        await pipeline(Readable.fromWeb(response.body), bounded(max, timer.refresh), to)
        return true
      } finally {
        timer.clear()
      }
    })
  return {
    async pullList(name, signal) {
      const chunks: Buffer[] = []
      const collect = new Writable({
        write(chunk: Buffer, _encoding, done) {
          chunks.push(chunk)
          done()
        },
      })
      const came = await get(name, signal, MAX_LIST_BYTES, collect)
      return came === true ? Buffer.concat(chunks).toString('utf8') : undefined
    },
    pullArchive: (name, to, signal) => get(name, signal, MAX_ARCHIVE_BYTES, createWriteStream(to, { flush: true })),
    async push(names, files, signal) {
      if (!push) return
      await asked(signal, async () => {
        // The list last: who finds it finds the archive too.
        for (const kind of ['archive', 'list'] as const) {
          const body = await openAsBlob(files[kind])
          const limit = AbortSignal.timeout(stallMs + Math.round(body.size / SLOWEST_BYTES_PER_MS))
          const response = await send(`${base}/${names[kind]}`, {
            signal: AbortSignal.any([signal, limit]),
            method: 'PUT',
            body,
          })
          await response.body?.cancel()
          if (!response.ok) throw new Error(`it answers with HTTP ${response.status} to PUT`)
        }
      })
    },
  }
}

/** SHIP_CACHE_TOKEN stays out of the configuration, which is read by everybody. */
function send(address: string, init: RequestInit): Promise<Response> {
  const { url, headers } = requestOf(address)
  const token = process.env['SHIP_CACHE_TOKEN'] ?? ''
  return fetch(url, {
    ...init,
    headers: token === '' ? { ...headers } : { ...headers, authorization: `Bearer ${token}` },
  })
}

function stallTimer(signal: AbortSignal, ms: number) {
  const stalled = new AbortController()
  const timer = setTimeout(() => stalled.abort(new Error(`nothing came for ${Math.round(ms / 1000)} seconds`)), ms)
  return {
    signal: AbortSignal.any([signal, stalled.signal]),
    refresh: () => void timer.refresh(),
    clear: () => clearTimeout(timer),
  }
}

function bounded(max: number, onChunk: () => void): Transform {
  let size = 0
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      onChunk()
      size += chunk.length
      if (size > max) done(new Error(`it gives more than ${max} bytes`))
      else done(null, chunk)
    },
  })
}
