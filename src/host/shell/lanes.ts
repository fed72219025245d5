/**
 * A payload on several channels of one connection. On a long line a channel carries no more than its window in a round trip (2 MiB, a
 * constant of OpenSSH), however fat the line is: four of them were measured at 2.8 times one at 50 ms and 1 Gbit/s. The payload is cut
 * into pieces that the channels take by turns; the host puts them in order again as they come.
 */
import { once } from 'node:events'
import { PassThrough, type Readable } from 'node:stream'
import { newToken, type Token } from '../../names.ts'
import type { Transport } from '../../transport/transport.ts'
import { LONG_MS } from './ask.ts'
import { call } from './call.ts'

/** The channel of the script that stages among them. With its shells that wait, a run stays below the ten channels that sshd allows. */
const LANES = 4
/** Half of a window: the next piece of a channel is on its way while the host takes the one before. */
const BLOCKS = 16
const PIECE_BYTES = BLOCKS * 65_536
/** Less than this is through before the lanes are open. */
export const WORTH_LANES = 16 * 1024 * 1024

export interface Lanes {
  /** What the script that stages has to know of them, as words of its first line. */
  readonly words: string
  /** Deals a stream out; gives what the first lane carries. */
  deal(stream: Readable): Readable
}

/** The only lane, when there is one. */
export const ONE_LANE: Lanes = { words: '1 0 -', deal: (stream) => stream }

/**
 * Opens the lanes beside the first one, until `signal` aborts. A host that allows no more channels, or cannot put pieces together, has the
 * one.
 */
export async function openLanes(transport: Transport, token: Token, signal: AbortSignal): Promise<Lanes> {
  const failed = new AbortController()
  const over = AbortSignal.any([signal, failed.signal])
  const others = Array.from({ length: LANES - 1 }, newLane)
  const key = `lanes-${newToken()}`
  const open = (stdin: PassThrough, index: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const args = [token, String(index + 1), String(LANES), String(BLOCKS), key]
      const options = { signal: over, stdin, timeoutMs: LONG_MS, tries: 1, onSaid: resolve }
      // One that ends later is noticed by the script that stages, which tells.
      call(transport, 'lane', args, options).then(() => reject(new Error('the lane ended')), reject)
    })
  try {
    await Promise.all(others.map(open))
  } catch {
    failed.abort()
    signal.throwIfAborted()
    return ONE_LANE
  }
  return {
    words: `${LANES} ${BLOCKS} ${key}`,
    deal(stream) {
      const first = newLane()
      const lanes = [first, ...others]
      dealOut(stream, lanes, signal).catch((error: unknown) => {
        for (const lane of lanes) lane.destroy(error instanceof Error ? error : new Error(String(error)))
      })
      return first
    },
  }
}

function newLane(): PassThrough {
  // An error is told to whoever reads it; here it only ends the dealing.
  return new PassThrough({ highWaterMark: PIECE_BYTES }).on('error', () => undefined)
}

/** Piece by piece to one lane after the other; whoever is full is waited for, as the host takes them in this order. */
async function dealOut(stream: Readable, lanes: readonly PassThrough[], signal: AbortSignal): Promise<void> {
  let at = 0
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    for (let from = 0; from < chunk.length;) {
      const lane = lanes[Math.floor(at / PIECE_BYTES) % lanes.length]
      if (!lane) throw new TypeError('there is no lane')
      const part = chunk.subarray(from, from + PIECE_BYTES - (at % PIECE_BYTES))
      if (!lane.write(part)) await once(lane, 'drain', { signal })
      from += part.length
      at += part.length
    }
  }
  for (const lane of lanes) lane.end()
}
