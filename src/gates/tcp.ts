/** Asks whether something accepts connections at an address, as seen from the host. */
import { z } from 'zod'
import { messageOf, throwIfAborted } from '../errors.ts'
import { escapeControls } from '../names.ts'
import type { Gate } from './gate.ts'
import { refuseUnknownNames, withNames } from './names.ts'

const ADDRESS = /^(?:\[([0-9a-fA-F:]+)\]|([^:[\]\s]+)):(\d{1,5}|\{[^{}]+\})$/

const options = z.strictObject({
  tcp: z
    .string()
    .regex(ADDRESS, 'is not an address; write "127.0.0.1:8080"')
    .describe('host:port as seen from the host; {host}, {address} and {LABEL} are filled in'),
})

export const tcp: Gate<z.output<typeof options>> = {
  key: 'tcp',
  options,
  describe: ({ tcp: address }) => `tcp ${address} accepts connections`,
  prepare(asked, scope) {
    refuseUnknownNames(asked.tcp, scope)
    return Promise.resolve(asked)
  },
  async probe(host, asked, signal) {
    const [, six, name, port] = ADDRESS.exec(withNames(asked.tcp, host.names)) ?? []
    try {
      const socket = await host.dial(six ?? name ?? '', Number(port), signal)
      socket.destroy()
      return { ok: true, said: 'connected' }
    } catch (error) {
      throwIfAborted(signal)
      const message = messageOf(error)
      if (/administratively prohibited/i.test(message)) {
        return {
          ok: false,
          said: 'the host forbids forwarding (AllowTcpForwarding): use from: "client" or an exec check',
        }
      }
      return {
        ok: false,
        said: /refused/i.test(message) ? 'connection refused' : escapeControls(message).slice(0, 200),
      }
    }
  },
}
