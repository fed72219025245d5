/** A stream on its way, telling how much of it was taken. */
import { Transform, type Readable } from 'node:stream'

/** `offset`: bytes that were taken before. */
export function counted(
  stream: Readable,
  offset: number,
  onProgress: ((sentBytes: number) => void) | undefined,
): Readable {
  if (!onProgress) return stream
  let sent = offset
  const counter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      sent += chunk.length
      onProgress(sent)
      done(null, chunk)
    },
  })
  stream.on('error', (error) => counter.destroy(error))
  return stream.pipe(counter)
}
