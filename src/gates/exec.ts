/** Asks a program on the host, in the live release's folder; exit code 0 is good. */
import { z } from 'zod'
import { escapeControls } from '../names.ts'
import type { Gate } from './gate.ts'

const options = z.strictObject({
  exec: z
    .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
    .describe('A shell command, or a program and its arguments; runs in the live release'),
})

export const exec: Gate<z.output<typeof options>> = {
  key: 'exec',
  options,
  describe: ({ exec: command }) =>
    `exec ${escapeControls(typeof command === 'string' ? command : command.join(' '))} ends with 0`,
  async probe(host, { exec: command }, signal) {
    const argv = typeof command === 'string' ? ['sh', '-c', command] : command
    const { code, signal: by, stdout, stderr } = await host.run(argv, { signal, maxOutputBytes: 64 * 1024 })
    const last = escapeControls(`${stdout}\n${stderr}`.trim().split('\n').at(-1) ?? '').slice(0, 200)
    const how = code === null ? `ended by ${by ?? 'a signal'}` : `exit ${code}`
    if (code === 0) return { ok: true, said: last === '' ? how : last }
    return { ok: false, said: last === '' ? how : `${how}: ${last}` }
  },
}
