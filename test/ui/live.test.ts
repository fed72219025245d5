/** The live list on a pty of 80 columns; what is compared is the screen that a person sees at the end. */
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { HAS_TERMINAL, NODE, onTerminal } from '../support/cli.ts'
import { screenOf } from '../support/screen.ts'

const CHILD = join(import.meta.dirname, 'live-child.ts')

describe.skipIf(!HAS_TERMINAL)('live list', () => {
  test('steps collapse to one line, failures stay with their hosts, then output, warnings and the answer', async () => {
    const { stdout, code } = await onTerminal([NODE, CHILD, '3'])
    const { lines, cursorVisible, wrapped } = screenOf(stdout, 80)
    expect(lines).toEqual([
      expect.stringMatching(/^✔ version {7}1\.4\.2 from a very long note .*…$/),
      '✔ connect       3 hosts: ok',
      '✔ stage         3 hosts',
      'warning: the clock is off',
      '',
      'a question?',
      expect.stringMatching(/^✖ gate {10}2 of 3 hosts: 200, 1 failed/),
      '  ✔ web01  200',
      '  ✖ web02  answered 500',
      '  ✔ web03  200',
      'output of gate web02:',
      '  Traceback',
      '  boom',
      '',
      'the answer',
    ])
    expect({ cursorVisible, wrapped, code }).toEqual({ cursorVisible: true, wrapped: false, code: 0 })
  })

  test('fifty hosts are counted, not listed: no frame is taller than the screen', async () => {
    const { stdout } = await onTerminal([NODE, CHILD, '50'])
    const { lines, wrapped } = screenOf(stdout, 80)
    expect(lines).toContain('  ✖ web02  answered 500')
    expect(lines.length).toBeLessThan(16)
    expect(lines.filter((l) => l.includes('web0'))).toEqual(['  ✖ web02  answered 500', 'output of gate web02:'])
    expect(stdout).toMatch(/stage {9}\d+ of 50 hosts, [\d.]+ MB of 500 MB, [\d.]+ [MG]B\/s/)
    expect(wrapped).toBe(false)
  })

  test('drawing hundreds of hosts costs little', async () => {
    const cpuOf = async (hosts: number): Promise<number> => {
      const { stdout } = await onTerminal([NODE, CHILD, String(hosts), 'cpu'])
      return Number(/cpu=(\d+)/.exec(stdout)?.[1])
    }
    // Measured: 0.2 s for 3 hosts, 0.36 s for 300; with a row for each host 3.1 s.
    expect((await cpuOf(300)) / (await cpuOf(3))).toBeLessThan(5)
  })

  test('it is drawn on stderr, also when stdout is piped away', async () => {
    const line = `'${NODE}' '${CHILD}' 3 | sed 's/^/piped: /'`
    const { stdout } = await onTerminal(['sh', '-c', line])
    const { lines } = screenOf(stdout, 80)
    expect(lines.filter((l) => l.startsWith('piped: '))).toEqual(['piped: the answer'])
    expect(lines).toContain('✔ connect       3 hosts: ok')
    expect(stdout).toContain('\u001b[32m✔')
  })

  test('listr2 does not take SIGINT for itself: what runs is told as not finished, the terminal is left usable', async () => {
    const { stdout, code } = await onTerminal([NODE, CHILD, '3', 'interrupt'])
    const { lines, cursorVisible } = screenOf(stdout, 80)
    expect(lines.filter((l) => l !== '').at(-2)).toMatch(/^↓ gate {2}web01 {2}not finished|^. gate/)
    expect({ cursorVisible, code }).toEqual({ cursorVisible: true, code: 0 })
  })
})
