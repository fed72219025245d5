/** A folder of this machine as a host: the same scripts, run by this machine's sh. */
import { readFile, stat } from 'node:fs/promises'
import { connect } from 'node:net'
import { ShipError } from '../errors.ts'
import { runLocal } from '../process.ts'
import { commandArgv } from '../shell.ts'
import type { Host, Transport } from './transport.ts'

export function localTransport(host: Host): Promise<Transport> {
  return Promise.resolve(localFolder(host))
}

export function localFolder(host: Host): Transport {
  let open = true
  return {
    host,
    get connected() {
      return open
    },
    exec: (script, options) => runLocal(commandArgv(script), options),
    dial(address, port, signal) {
      return new Promise((resolve, reject) => {
        const socket = connect({ host: address, port, signal })
        socket.once('connect', () => resolve(socket))
        socket.once('error', reject)
      })
    },
    async read(path, maxBytes) {
      const found = await stat(path).catch(() => undefined)
      if (!found?.isFile()) return undefined
      if (found.size > maxBytes) throw new ShipError('refused', `"${path}" is larger than ${maxBytes} bytes`)
      return readFile(path)
    },
    close() {
      open = false
      return Promise.resolve()
    },
  }
}
