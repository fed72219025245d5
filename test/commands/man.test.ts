/** The man page says what the help says, and is roff that a strict reader accepts. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { GLOBAL_OPTIONS } from '../../src/commands/global-options.ts'
import { COMMANDS } from '../../src/commands/index.ts'
import { manText } from '../../src/commands/man-text.ts'

const dir = mkdtempSync(join(tmpdir(), 'ship-man-'))
const page = join(dir, 'ship.1')
writeFileSync(page, manText(COMMANDS, { version: '1.2.3', date: '2026-01-02' }))
afterAll(() => rmSync(dir, { recursive: true }))
const hasMandoc = spawnSync('mandoc', ['-T', 'ascii', page]).status !== null

describe.skipIf(!hasMandoc)('the man page, where mandoc is installed', () => {
  it('has no warning', () => {
    const { stdout, stderr, status } = spawnSync('mandoc', ['-T', 'lint', '-W', 'warning', page], { encoding: 'utf8' })
    expect({ said: stdout + stderr, status }).toEqual({ said: '', status: 0 })
  })

  it('names every command and flag as it is typed, and nothing that is hidden', () => {
    const shown = execFileSync('mandoc', ['-T', 'ascii', '-O', 'width=200', page])
      .toString()
      .replaceAll(new RegExp(`.${String.fromCodePoint(8)}`, 'g'), '')
    for (const { name, hidden, options = [], examples } of COMMANDS) {
      expect(shown.includes(`ship ${name}`)).toBe(hidden !== true)
      for (const { flags } of options) expect(shown).toContain(flags)
      for (const [line] of examples) expect(shown).toContain(line)
    }
    for (const [flags] of GLOBAL_OPTIONS) expect(shown).toContain(flags)
    expect(shown).toMatch(/^ +7 +failed, and a host was not put back/m)
    expect(shown).toContain('ship 1.2.3')
  })
})
