/** The command line for a host is read alike by every login shell there is: each argument arrives as it was, in one line. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { commandLine } from '../../src/shell.ts'

const SHELLS = ['dash', 'bash', 'zsh', 'fish', 'tcsh', 'csh', 'ksh', 'mksh', 'busybox']
const there = (program: string): string | undefined =>
  ['/usr/bin', '/bin'].map((at) => join(at, program)).find((file) => existsSync(file))

const ARGS = [
  `it's`,
  '"two  words"',
  '$(touch pwned) `touch pwned` $HOME ${x}',
  '',
  '-n',
  'a\nb',
  '\n',
  '\n\nx\n\n',
  '\\ \\\\ \\n',
  `\\'`,
  '!! a!b !',
  '=ls',
  '%1 %',
  '~',
  '{a,b} * ? [a] (b)',
  '^a^b',
  '#x',
  '\t\r',
  'a;b&c|d<e>f',
  '@',
  '\u001f',
  'é 日本',
  JSON.stringify({ a: '"\\n' }),
  'x'.repeat(40_000),
]
const TEXTS = {
  'one line': 'for a; do printf "%s|" "$a"; done; printf "[%s]" "$0"; exit 7',
  'many lines':
    '# a ! comment \\\nfor a; do\n  printf "%s|" "$a"\ndone\nset | grep ^ship_ >&2\nprintf "[%s]" "$0"\n\nexit 7\n',
}

for (const shell of SHELLS) {
  const path = there(shell)
  describe.skipIf(path === undefined)(`login shell ${shell}`, () => {
    let dir = ''
    beforeAll(() => void (dir = mkdtempSync(join(tmpdir(), 'ship-login-'))))
    afterAll(() => rmSync(dir, { recursive: true, force: true }))

    const hosts = ['dash', 'bash', 'busybox'].filter((sh) => there(sh) !== undefined)
    it.each(hosts)('gives every argument to a "sh" that is %s', (sh) => {
      const bin = join(dir, sh)
      mkdirSync(bin)
      symlinkSync(there(sh) ?? '', join(bin, 'sh'))
      for (const [name, text] of Object.entries(TEXTS)) {
        const line = commandLine({ name, text, args: ARGS })
        expect(line).not.toContain('\n')
        const argv = shell === 'busybox' ? ['ash', '-c', line] : ['-c', line]
        const { status, stdout, stderr } = spawnSync(path ?? '', argv, {
          cwd: dir,
          env: { PATH: `${bin}:/usr/bin:/bin`, HOME: dir },
          encoding: 'utf8',
        })
        expect({ status, stdout, stderr }).toEqual({
          status: 7,
          stdout: `${ARGS.map((a) => `${a}|`).join('')}[ship]`,
          stderr: '',
        })
      }
      expect(existsSync(join(dir, 'pwned'))).toBe(false)
    })
  })
}
