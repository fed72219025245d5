/** Exact reads from a stream of chunks: so many bytes or an error, never what happens to be there. */
import { ShipError } from '../errors.ts'

export class ByteReader {
  readonly #source: AsyncIterator<Buffer>
  #held: Buffer = Buffer.alloc(0)

  constructor(source: AsyncIterable<Buffer>) {
    this.#source = source[Symbol.asyncIterator]()
  }

  /** Exactly `length` bytes if they are here already: most entries are small, and a turn of the event loop costs more than to read one. */
  here(length: number): Buffer | undefined {
    if (this.#held.length < length) return undefined
    const taken = this.#held.subarray(0, length)
    this.#held = this.#held.subarray(length)
    return taken
  }

  /** Exactly `length` bytes in one buffer; rejects (reason `refused`) when the stream ends before. */
  async take(length: number): Promise<Buffer> {
    while (this.#held.length < length) {
      const more = await this.#next()
      if (!more) throw endedEarly()
      this.#held = this.#held.length === 0 ? more : Buffer.concat([this.#held, more])
    }
    return this.here(length) ?? Buffer.alloc(0)
  }

  /** Exactly `length` bytes, in the chunks they come in. */
  async *chunks(length: number): AsyncGenerator<Buffer> {
    let left = length
    while (left > 0) {
      if (this.#held.length === 0) {
        const more = await this.#next()
        if (!more) throw endedEarly()
        this.#held = more
      }
      const chunk = this.#held.subarray(0, left)
      this.#held = this.#held.subarray(chunk.length)
      left -= chunk.length
      yield chunk
    }
  }

  /** All that is left. */
  async *rest(): AsyncGenerator<Buffer> {
    if (this.#held.length > 0) yield this.#held
    for (let more = await this.#next(); more; more = await this.#next()) yield more
  }

  async #next(): Promise<Buffer | undefined> {
    const { value, done } = await this.#source.next()
    return done === true ? undefined : value
  }
}

function endedEarly(): ShipError {
  return new ShipError('refused', 'the archive ends in the middle of an entry')
}
