/**
 * A line to one server that can be bad: a TCP relay that delays, limits, counts, cuts, resets, freezes, thaws, and flips a bit. The three-way
 * handshake costs a round trip here as on a real line. It runs in the process that started it, so nothing there may block.
 */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** `up`: to the server. */
type Way = 'up' | 'down'

/** `reset`: RST both ways, what waits is lost. `end`: FIN both ways, after what came before. `freeze`: nothing passes, nobody is told. */
type Trouble = 'reset' | 'end' | 'freeze'

export interface Relay {
  readonly port: number
  /** Bytes since `reset`, and connections. */
  counted(): { readonly up: number; readonly down: number; readonly connections: number }
  /** Bytes in both directions since `reset`. */
  bytes(): number
  /** Counts anew, and forgets what was to come by `after` and `flip`. */
  reset(): void
  /** What connections that are open suffer, now; `freeze` also those to come, until `thaw`. */
  now(trouble: Trouble): void
  /** Breaks all connections off: `now('reset')`. */
  cut(): void
  /** The same once so many bytes, from `reset` on, passed in a direction: not one more gets through. `onDue` is called with it. */
  after(way: Way, bytes: number, trouble: Trouble, onDue?: () => void): void
  /** Turns one bit of the byte at this offset from `reset` on. */
  flip(way: Way, offset: number): void
  /** What was held up goes on, ends and resets too. */
  thaw(): void
  close(): Promise<void>
}

export interface RelayOptions {
  /** Default 0. */
  readonly roundTripMs?: number
  /** In each direction, shared by all connections; default: no limit. */
  readonly megabitsPerSecond?: number
}

/** What may wait on the line before the sender is held up, as the buffers of two hosts would. */
const BUFFER_BYTES = 4 * 1024 * 1024

/** Listens on 127.0.0.1 and connects to the target. */
export async function startRelay(
  target: { readonly address: string; readonly port: number },
  options: RelayOptions = {},
): Promise<Relay> {
  const line = new Line(options)
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
    line.join(near, connect({ host: target.address, port: target.port, allowHalfOpen: true, noDelay: true }))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    counted: () => ({ ...line.counts }),
    bytes: () => line.counts.up + line.counts.down,
    reset: () => line.reset(),
    now: (trouble) => line.suffer(trouble),
    cut: () => line.suffer('reset'),
    after: (way, bytes, trouble, onDue) => void (line.due[way] = { bytes, trouble, onDue }),
    flip: (way, offset) => void (line.flips[way] = offset),
    thaw: () => line.thaw(),
    async close() {
      line.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

interface Due {
  readonly bytes: number
  readonly trouble: Trouble
  readonly onDue: (() => void) | undefined
}

class Line {
  readonly counts = { up: 0, down: 0, connections: 0 }
  readonly due: { [way in Way]?: Due | undefined } = {}
  readonly flips: { [way in Way]?: number | undefined } = {}
  readonly #lane = { up: 0, down: 0 }
  readonly #open = new Set<Socket>()
  readonly #roundTripMs: number
  readonly #bytesPerMs: number
  #frozen: PromiseWithResolvers<void> | undefined

  constructor({ roundTripMs = 0, megabitsPerSecond = Infinity }: RelayOptions) {
    this.#roundTripMs = roundTripMs
    this.#bytesPerMs = (megabitsPerSecond * 1e6) / 8 / 1000
  }

  join(near: Socket, far: Socket): void {
    this.counts.connections++
    const began = performance.now()
    for (const socket of [near, far]) {
      this.#open.add(socket)
      socket.once('close', () => this.#open.delete(socket))
    }
    this.#carry(near, far, 'up', began + this.#roundTripMs)
    this.#carry(far, near, 'down', began + 1.5 * this.#roundTripMs)
  }

  reset(): void {
    Object.assign(this.counts, { up: 0, down: 0, connections: 0 })
    for (const way of ['up', 'down'] as const) this.due[way] = this.flips[way] = undefined
  }

  suffer(trouble: Trouble): void {
    if (trouble === 'freeze') {
      this.#frozen ??= Promise.withResolvers<void>()
      return
    }
    for (const socket of this.#open) {
      if (trouble === 'reset') socket.resetAndDestroy()
      else socket.end(() => socket.destroy())
    }
  }

  thaw(): void {
    this.#frozen?.resolve()
    this.#frozen = undefined
  }

  destroy(): void {
    this.thaw()
    for (const socket of this.#open) socket.destroy()
  }

  #carry(from: Socket, to: Socket, way: Way, since: number): void {
    let waiting = 0
    let last = Promise.resolve()
    const at = (due: number, arrive: () => unknown): void => void (last = this.#delivered(last, due, arrive))
    const send = (chunk: Buffer): void => {
      if (chunk.length === 0) return
      waiting += chunk.length
      if (waiting > BUFFER_BYTES) from.pause()
      this.#lane[way] = Math.max(performance.now(), since, this.#lane[way]) + chunk.length / this.#bytesPerMs
      at(this.#lane[way] + this.#roundTripMs / 2, () => {
        if (!to.destroyed) to.write(chunk)
        waiting -= chunk.length
        if (from.isPaused() && waiting < BUFFER_BYTES / 2) from.resume()
      })
    }
    const later = (): number => Math.max(performance.now(), since) + this.#roundTripMs / 2
    from.on('data', (chunk: Buffer) => {
      const { passes, rest, due } = this.#judge(way, chunk)
      send(passes)
      if (due === undefined) return
      // What is on the line at this moment arrives; what comes behind it does not.
      at(0, () => {
        this.suffer(due.trouble)
        due.onDue?.()
      })
      if (due.trouble === 'freeze') send(rest)
    })
    from.on('end', () => at(later(), () => to.end()))
    from.on('error', () => at(later(), () => to.resetAndDestroy()))
  }

  /** Counts a chunk: what of it passes, and what is due then. */
  #judge(way: Way, chunk: Buffer): { passes: Buffer; rest: Buffer; due: Due | undefined } {
    const start = this.counts[way]
    const flip = this.flips[way]
    if (flip !== undefined && flip >= start && flip < start + chunk.length) {
      chunk[flip - start] = (chunk[flip - start] ?? 0) ^ 4
      this.flips[way] = undefined
    }
    this.counts[way] += chunk.length
    const due = this.due[way]
    const isDue = due !== undefined && start + chunk.length >= due.bytes
    const length = isDue ? Math.max(0, due.bytes - start) : chunk.length
    if (isDue) this.due[way] = undefined
    return { passes: chunk.subarray(0, length), rest: chunk.subarray(length), due: isDue ? due : undefined }
  }

  /** In order, not before its time, and not while nothing passes. */
  async #delivered(before: Promise<void>, due: number, arrive: () => unknown): Promise<void> {
    await before
    const wait = due - performance.now()
    if (wait > 0) await sleep(wait)
    while (this.#frozen) await this.#frozen.promise
    arrive()
  }
}
