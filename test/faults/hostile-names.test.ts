/**
 * Names made to break a shell, a path or a terminal, in every field of the configuration that is a name, and on the command line: refused
 * by field and line, with exit code 2, and no shell is started for it.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { environmentOf } from '../../src/config/environment.ts'
import { loadProject } from '../../src/config/load.ts'
import { ShipError } from '../../src/errors.ts'
import { errorLines } from '../../src/ui/error.ts'
import { styleWith } from '../../src/ui/style.ts'
import { NODE, ship, SHIP } from '../support/cli.ts'

const NAMES = [
  '$(touch INJ)',
  '`touch INJ`',
  '; touch INJ',
  '&& touch INJ',
  '|| touch INJ',
  '| touch INJ',
  '& touch INJ',
  '> INJ',
  '< /etc/passwd',
  'a\ntouch INJ',
  'a\rb',
  'a\u0000b',
  '"; touch INJ; "',
  "'; touch INJ; '",
  '${IFS}touch${IFS}INJ',
  '$HOME',
  '~root',
  '*',
  '?',
  '[a-z',
  '{a,b}',
  '!!',
  '#comment',
  '%00',
  '..',
  '../../etc',
  '/etc/passwd',
  '-rf',
  '--checkpoint=1',
  '-oProxyCommand=touch INJ',
  '\u001b[2J\u001b]0;x\u0007',
  '\u202eevil',
  'e\u0301',
  'trailing ',
  '',
  'n'.repeat(300),
]

const FIELDS: Readonly<Record<string, (name: string) => object>> = {
  name: (name) => ({ name }),
  'a host': (host) => withHost({ host }),
  'a user': (user) => withHost({ host: 'web1', user }),
  'a variable of a host': (name) => withHost({ host: 'web1', env: { [name]: 'x' } }),
  'a variable of a hook': (name) => ({ release: { hooks: { afterSwitch: [{ run: 'true', env: { [name]: 'x' } }] } } }),
  'a variable of a task': (name) => ({ tasks: { it: { run: 'true', env: { [name]: 'x' } } } }),
  'a secret of a task': (name) => ({ tasks: { it: { run: 'true', secrets: [name] } } }),
}

function withHost(host: object): object {
  return { environments: { production: { hosts: [{ deployTo: '/srv/shop', ...host }] } } }
}

let dir = ''
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'ship-names-'))
  mkdirSync(join(dir, 'app'))
  writeFileSync(join(dir, 'app/a'), 'a\n')
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

function write(more: object): void {
  const config = { ...withHost({ host: 'web1' }), name: 'shop', version: '1.0.0', build: { from: 'app' }, ...more }
  writeFileSync(join(dir, 'ship.config.json'), JSON.stringify(config, null, 2))
}

async function refusal(more: object): Promise<string> {
  write(more)
  const error: unknown = await loadProject({ cwd: dir })
    .then((project) => environmentOf(project, { name: 'production' }))
    .catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(ShipError)
  expect(error).toMatchObject({ reason: 'config' })
  const lines = errorLines(error, { style: styleWith(false), verbose: false })
  // oxlint-disable-next-line no-control-regex -- control characters are exactly what is looked for
  expect(lines.filter((line) => /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/.test(line))).toEqual([])
  // A line end in a name begins no line of its own.
  expect(lines.join('\n')).not.toMatch(/^\s*touch INJ/m)
  return lines.join('\n')
}

describe.each(Object.entries(FIELDS))('%s of the configuration', (field, configOf) => {
  it('is none of these', async () => {
    // Names of variables may be as long as they like.
    const names = NAMES.filter((name) => name.length < 300 || !/variable|secret/.test(field))
    for (const name of names) {
      // Hosts are expanded from ranges first, and told by what became of them.
      const where =
        field === 'a host' && name !== ''
          ? /is not a (?:name or address of a |range of )?host/
          : /ship\.config\.json:\d+/
      expect(await refusal(configOf(name)), name).toMatch(where)
    }
    expect(existsSync(join(dir, 'INJ'))).toBe(false)
  })
})

describe('the command line', () => {
  beforeAll(() => write(withHost({ host: '127.0.0.1', port: 9 })))

  const words = NAMES.filter((name) => !name.includes('\0') && name !== '').slice(0, 30)
  it.each([
    ['a version to build', (name: string) => ['build', `--version=${name}`]],
    ['a version to go back to', (name: string) => ['rollback', '-e', 'production', '--', name]],
    ['an environment', (name: string) => ['status', `--env=${name}`]],
    ['a host', (name: string) => ['status', '-e', 'production', `--hosts=${name}`]],
  ])('%s: exit code 2', async (_, args) => {
    // A few at a time: each is a process.
    for (const name of [words[0], words[9], words[26], words[28]]) {
      const { code, stderr } = await ship(args(name ?? ''), { cwd: dir })
      expect({ name, code, stderr: code === 2 ? '' : stderr }).toEqual({ name, code: 2, stderr: '' })
    }
    expect(readdirSync(dir)).not.toContain('INJ')
  })

  it.skipIf(!existsSync('/usr/bin/strace'))('no shell is started for a name (strace)', () => {
    const log = join(dir, 'strace.log')
    const argv = [NODE, SHIP, 'build', '--version=$(touch INJ)']
    const run = (): unknown =>
      execFileSync('strace', ['-f', '-qq', '-e', 'trace=execve', '-o', log, ...argv], { cwd: dir, stdio: 'pipe' })
    expect(run).toThrow(/Command failed/)
    const started = readFileSync(log, 'utf8')
      .split('\n')
      .filter((line) => line.includes('execve('))
    expect(started.length).toBeGreaterThan(0)
    expect(started.filter((line) => /execve\("[^"]*\/(?:sh|bash|dash)"/.test(line))).toEqual([])
  })
})
