/** Completion: what may stand at the cursor, asked by real shells. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { complete } from '../../src/commands/complete-words.ts'
import { COMMANDS } from '../../src/commands/index.ts'
import { NODE, SHIP } from '../support/cli.ts'
import { smallProject, type SmallProject } from '../support/project.ts'

const values = (words: readonly string[]): readonly string[] => complete(words, COMMANDS).choices.map((c) => c.value)

describe('what may stand at the cursor', () => {
  it('is a command, a flag of it, or a value of the flag', () => {
    expect(values([''])).toEqual(expect.arrayContaining(['init', 'build', 'release', 'help']))
    expect(values([''])).not.toContain('__complete')
    expect(values(['help', ''])).toContain('release')
    expect(values(['release', '-'])).toEqual(expect.arrayContaining(['--strategy', '--environment', '--help']))
    expect(values(['release', '-'])).not.toContain('--bump')
    expect(values(['build', '--bump', ''])).toEqual(['patch', 'minor', 'major', 'prerelease'])
    expect(values(['build', '--format', ''])).toContain('deb')
    expect(values(['init', '--format', ''])).toEqual(['ts', 'yaml'])
  })

  it.each([
    [['release', '-e', 'pro'], { asked: 'environment', word: 'pro', prefix: '' }],
    [['-e', 'production', 'rollback', ''], { asked: 'verified', environment: 'production' }],
    [['-e', 'production', 'pin', ''], { asked: 'released', environment: 'production' }],
    [['run', 'db:mi'], { asked: 'task', word: 'db:mi', cut: 0 }],
    [['run', 'db', ':', 'mi'], { asked: 'task', word: 'db:mi', cut: 3 }],
    [['run', 'db', ':'], { asked: 'task', word: 'db:', cut: 3 }],
    [['release', '--environment=pr'], { asked: 'environment', word: 'pr', prefix: '--environment=' }],
    [['release', '--environment', '=', 'pr'], { asked: 'environment', word: 'pr', prefix: '' }],
    [['release', '--environment', '='], { asked: 'environment', word: '', prefix: '' }],
    [['release', '--hosts', 'web1,we'], { asked: 'host', word: 'we', prefix: 'web1,' }],
    [['--cwd', '/x', '-c', 'f', 'run', ''], { asked: 'task', cwd: '/x', config: 'f' }],
    [['rollback', '1.0.0', ''], { asked: undefined, choices: [] }],
    [['release', '--plan', 'x'], { asked: undefined, choices: [] }],
    [['exec', '--', 'l'], { asked: undefined, choices: [] }],
  ])('%j', (words, expected) => {
    expect(complete(words, COMMANDS)).toMatchObject(expected)
  })
})

describe('in a shell', () => {
  let project: SmallProject
  let env: Record<string, string>
  beforeAll(async () => {
    project = smallProject()
    project.configure({
      version: 'package.json',
      environments: { production: { hosts: ['web1.example', 'web2.example'] }, staging: { hosts: ['stage'] } },
      tasks: { clearCache: { run: 'true' }, cleanUp: { run: 'true' }, 'db:migrate': { run: 'true' } },
    })
    for (const version of ['1.0.0', '1.1.0']) {
      project.write({ 'package.json': JSON.stringify({ name: 'shop', version }) })
      await project.ship('build')
    }
    const bin = join(project.dir, 'bin')
    mkdirSync(bin)
    writeFileSync(join(bin, 'ship'), `#!/bin/sh\nexec '${NODE}' '${SHIP}' "$@"\n`, { mode: 0o755 })
    symlinkSync('ship', join(bin, 'slipway'))
    env = { PATH: `${bin}:/usr/bin:/bin`, HOME: project.dir, SHIP_CACHE_DIR: join(project.dir, 'cache') }
    const seen = JSON.stringify([
      { version: '0.9.1', state: 'bad' },
      { version: '0.9.0', state: 'verified' },
    ])
    project.write({ 'cache/known/shop@production.json': seen })
    for (const shell of ['bash', 'zsh', 'fish']) {
      project.write({ [`completion.${shell}`]: (await project.ship(['completion', shell])).stdout })
    }
  }, 60_000)
  afterAll(() => project.dispose())

  function run(argv: readonly string[]): string {
    const [file = '', ...args] = argv
    return execFileSync(file, args, { cwd: project.dir, env, stdio: ['ignore', 'pipe', 'ignore'] }).toString()
  }

  const LINES: readonly (readonly [readonly string[], readonly string[]])[] = [
    [['rollb'], ['rollback']],
    [
      ['release', '-e', ''],
      ['production', 'staging'],
    ],
    [
      ['release', '1'],
      ['1.1.0', '1.0.0'],
    ],
    [['status', '-e', 'production', '--hosts', 'web2'], ['web2.example']],
    [
      ['run', 'cl'],
      ['clearCache', 'cleanUp'],
    ],
    [['rollback', '-e', 'production', '0'], ['0.9.0']],
    [
      ['pin', '-e', 'production', '0'],
      ['0.9.1', '0.9.0'],
    ],
  ]

  it.each(LINES)('bash: ship %j', (words, expected) => {
    const script = `source completion.bash; COMP_WORDS=(ship "$@"); COMP_CWORD=$#; _ship; printf '%s\\n' "\${COMPREPLY[@]}"`
    expect(
      run(['bash', '-c', script, 'bash', ...words])
        .trim()
        .split('\n'),
    ).toEqual(expected)
  })

  it('bash takes a word apart at colons, and puts what is found behind the last one', () => {
    const script = `source completion.bash; COMP_WORDS=(ship run "$@"); COMP_CWORD=$(($# + 1)); _ship; printf '%s\\n' "\${COMPREPLY[@]}"`
    expect(run(['bash', '-c', script, 'bash', 'db', ':', 'mi'])).toBe('migrate\n')
    expect(run(['bash', '-c', script, 'bash', 'db', ':'])).toBe('migrate\n')
  })

  it.skipIf(!existsSync('/usr/bin/zsh'))('zsh, where it is installed', () => {
    for (const [typed, expected] of LINES) {
      const script = `_describe() { print -rl -- "\${(@P)@[-1]}" }; _files() { print files }; words=(ship "$@"); CURRENT=$(( $# + 1 )); source completion.zsh; _ship`
      const lines = run(['zsh', '-fc', script, 'zsh', ...typed])
        .trim()
        .split('\n')
      expect(lines.map((line) => line.replace(/:.*$/, ''))).toEqual(expected)
    }
  })

  it.skipIf(!existsSync('/usr/bin/fish'))('fish, where it is installed, with what each word is', () => {
    for (const [typed, expected] of LINES) {
      const line = ['ship', ...typed].join(' ')
      const found = run(['fish', '--no-config', '-c', `source completion.fish; complete -C '${line}'`])
      const lines = found
        .trim()
        .split('\n')
        .map((one) => one.split('\t'))
      expect(new Set(lines.map(([value]) => value))).toEqual(new Set(expected))
    }
    expect(run(['fish', '--no-config', '-c', `source completion.fish; complete -C 'ship rollb'`])).toContain(
      'verified before',
    )
  })

  it('a project that cannot be read, and a shell that is none, are no noise', async () => {
    const broken = smallProject()
    broken.write({ 'ship.config.json': '{' })
    const { stdout, stderr } = await broken.ship(['__complete', '--', 'release', '-e', ''])
    broken.dispose()
    expect({ stdout, stderr }).toEqual({ stdout: '', stderr: '' })
    expect((await project.ship('completion tcsh', 2)).stderr).toContain('use one of bash, zsh, fish')
  })
})
