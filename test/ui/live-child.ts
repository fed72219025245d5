/** Plays a run to the live list on a real terminal: `live-child.ts HOSTS [interrupt]`. */
import { setTimeout as sleep } from 'node:timers/promises'
import { openRenderer } from '../../src/ui/render.ts'
import type { Out } from '../../src/ui/renderer.ts'
import { styleWith } from '../../src/ui/style.ts'

const [count = '3', how = ''] = process.argv.slice(2)
const hosts = Array.from({ length: Number(count) }, (_, i) => `web${String(i + 1).padStart(2, '0')}`)
const out = (stream: NodeJS.WriteStream): Out => ({
  write: (text) => stream.write(text),
  isTTY: true,
  columns: stream.columns,
})
const style = styleWith(true)
const screen = { out: out(process.stdout), err: out(process.stderr), outStyle: style, errStyle: style, verbose: false }
const renderer = await openRenderer('live', { ...screen, now: () => Date.now() })
const { emit } = renderer
if (how === 'interrupt') process.on('SIGINT', () => void renderer.end({ command: 'release', exitCode: 130 }))

emit({ event: 'step.started', step: 'version' })
emit({ event: 'step.finished', step: 'version', durationMs: 5, note: `1.4.2 ${'from a very long note '.repeat(8)}` })
await onHosts('connect', async () => 'ok')
await onHosts('stage', async (host, i) => {
  for (let n = 1; n <= 10; n += 1) {
    emit({ event: 'step.progress', step: 'stage', host, progress: { done: n * 1e6, total: 10e6, unit: 'bytes' } })
    await sleep(40)
  }
  return `${i}.0 MB sent`
})
emit({ event: 'warning', message: 'the clock is off' })
if (how === 'interrupt') {
  emit({ event: 'step.started', step: 'gate', host: 'web01' })
  await sleep(200)
  process.kill(process.pid, 'SIGINT')
} else {
  await renderer.settle()
  process.stderr.write('a question?\n')
  await onHosts('gate', async (host, i) => {
    await sleep(20)
    if (i !== 1) return '200'
    emit({ event: 'log', step: 'gate', host, text: 'Traceback\nboom' })
    return undefined
  })
  await renderer.end({ command: 'release', exitCode: 0, text: () => ['the answer'] })
}
if (how === 'cpu') process.stdout.write(`cpu=${Math.round(process.cpuUsage().user / 1000)}\n`)

async function onHosts(step: string, work: (host: string, i: number) => Promise<string | undefined>): Promise<void> {
  await Promise.all(
    hosts.map(async (host, i) => {
      emit({ event: 'step.started', step, host })
      const note = await work(host, i)
      if (note !== undefined) emit({ event: 'step.finished', step, host, durationMs: 10, note })
      else {
        const error = { reason: 'put-back', message: 'answered 500' } as const
        emit({ event: 'step.failed', step, host, durationMs: 10, error })
      }
    }),
  )
}
