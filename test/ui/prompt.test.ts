/** Questions on a real pty, where Ctrl-C and the end of input are the terminal's; and without one. */
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { HAS_TERMINAL, NODE, onTerminal, runNode } from '../support/cli.ts'

const PROMPT: Readonly<Record<string, string>> = { confirm: '[y/N] ', typeName: 'to go on: ', pick: 'number [1]: ' }
const CHILD = join(import.meta.dirname, 'prompt-child.ts')

function answerIn(output: string): unknown {
  return JSON.parse(/^answer=(.*)$/m.exec(output.replaceAll('\r', ''))?.[1] ?? '"no answer"')
}

describe.skipIf(!HAS_TERMINAL)('on a terminal', () => {
  test.each([
    ['confirm', 'y\n', true],
    ['confirm', 'YES\n', true],
    ['confirm', '\n', false],
    ['confirm', 'no\n', false],
    ['confirm', 'yeah\nyes\n', true],
    ['typeName', 'production\n', true],
    ['typeName', 'yes\n', false],
    ['pick', '\n', '1.4.2'],
    ['pick', '9\n3\n', '1.4.0'],
    ['confirm', '\u0003', { reason: 'sigint', next: [] }],
    ['confirm', '\u0004', { reason: 'usage', next: [] }],
  ])('%s, typed %j: %j', async (kind, input, expected) => {
    const { stdout } = await onTerminal([NODE, CHILD, kind], { input, when: PROMPT[kind] ?? '' })
    expect(answerIn(stdout)).toEqual(expected)
  })

  test('an answer that is none is asked for again', async () => {
    const { stdout } = await onTerminal([NODE, CHILD, 'confirm'], { input: 'yeah\nn\n', when: '[y/N] ' })
    expect(stdout).toContain('please answer "yes" or "no"')
  })

  test('choices of hosts are data', async () => {
    const { stdout } = await onTerminal([NODE, CHILD, 'pick'], { input: '\n', when: 'number [1]: ' })
    expect(stdout).toContain('2) 1.4.1\\x1b[2J')
  })
})

describe('without a terminal', () => {
  test.each([
    ['confirm', 'add --yes to go on without being asked'],
    ['typeName', 'add --yes to go on without being asked'],
    ['pick', 'ship rollback VERSION'],
  ])('%s does not wait: it says what to type', async (kind, next) => {
    expect(answerIn((await runNode([CHILD, kind])).stdout)).toEqual({ reason: 'usage', next: [next] })
  })

  test.each(['confirm', 'typeName'])('%s is answered by --yes', async (kind) => {
    expect(answerIn((await runNode([CHILD, kind, '--yes'])).stdout)).toBe(true)
  })
})
