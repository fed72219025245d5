/** A limit on what is sent a second, common to all hosts of a run. */
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'

/** Wraps streams so that together they give at most `bytesPerSecond`; undefined: as fast as it goes. */
export function rateLimit(bytesPerSecond: number | undefined): (stream: Readable) => Readable {
  if (bytesPerSecond === undefined) return (stream) => stream
  // When the next byte may go, by this process's clock.
  let free = 0
  const wait = async (bytes: number): Promise<void> => {
    const now = performance.now()
    const at = Math.max(now, free)
    free = at + (bytes / bytesPerSecond) * 1000
    if (at > now) await sleep(at - now)
  }
  return (stream) => {
    const limited = async function* (): AsyncGenerator<Buffer> {
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        await wait(chunk.length)
        yield chunk
      }
    }
    return Readable.from(limited(), { objectMode: false })
  }
}
