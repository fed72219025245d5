/**
 * Connections that are begun before it is known for sure what they are for: ship's own start takes as long as a server needs to answer. TCP, and the
 * first line of ssh, which everybody may know; a server answers with its own line and its offer of algorithms. Nobody is logged in, and what nobody takes
 * is dropped. Where it goes is what the last run dialled, so it may be wrong: whoever takes a connection asks for an address.
 */
import { connect, type Socket } from 'node:net'

/** What ship calls itself to a server, behind "SSH-2.0-". */
export const SOFTWARE = 'ship'

export interface Address {
  readonly hostname: string
  readonly port: number
}

/** A server waits for a login, and holds one of few places open for it: longer than this it is not kept waiting for nothing. */
const LONGEST_MS = 5000
/** Of a large fleet only some: it takes turns, and gains nothing by a head start. */
const MAX_GREETED = 16

const greeted = new Map<string, Socket>()
const dialled = new Map<string, Address>()
let isNoting = true

/** Begins connections that `takeGreeted` gives. What fails is as if it had not been begun. */
export function greet(addresses: readonly Address[]): void {
  for (const { hostname, port } of addresses.slice(0, MAX_GREETED)) {
    const key = keyOf({ hostname, port })
    const socket = connect({ host: hostname, port, noDelay: true })
    greeted.set(key, socket)
    socket.unref()
    socket.write(`SSH-2.0-${SOFTWARE}\r\n`)
    socket.on('error', forget)
    socket.on('close', forget)
    function forget(): void {
      if (greeted.get(key) === socket) greeted.delete(key)
    }
  }
  setTimeout(dropGreeted, LONGEST_MS).unref()
}

/** A connection to an address, on which the first line was sent and whose next one is swallowed: a library says it, too. */
export function takeGreeted(address: Address): Socket | undefined {
  const key = keyOf(address)
  const socket = greeted.get(key)
  greeted.delete(key)
  if (!socket?.writable) return undefined
  socket.ref()
  const write = socket.write.bind(socket)
  socket.write = (line: unknown, ...rest: readonly []) => {
    socket.write = write
    return String(line) === `SSH-2.0-${SOFTWARE}\r\n` || write(line as Buffer, ...rest)
  }
  return socket
}

/** Ends what nobody took. */
export function dropGreeted(): void {
  for (const socket of greeted.values()) socket.destroy()
  greeted.clear()
}

/** Notes that a server at this address let somebody in. */
export function noteDialled({ hostname, port }: Address): void {
  dialled.set(keyOf({ hostname, port }), { hostname, port })
}

/** From now on nobody is noted: the next run is to know first what it connects for. */
export function noteNobody(): void {
  isNoting = false
}

/** Who was noted. */
export function allDialled(): readonly Address[] {
  return isNoting ? [...dialled.values()].toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1)) : []
}

function keyOf({ hostname, port }: Address): string {
  return `${hostname} ${port}`
}
