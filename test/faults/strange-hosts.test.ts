/**
 * Row (m): hosts with clocks that are years off, logins that print, any login shell, another server, few programs, odd places: a release,
 * an upgrade, a failing check with its automatic return, and a rollback, judged by the oracle.
 */
import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { clock, whyNoStrangers, type Strangeness } from '../hosts/strange.ts'
import { makeStrangeStory, type StrangeStory } from '../hosts/strange-story.ts'
import { runs } from '../stories/shop.ts'

const lacking = whyNoStrangers()

/** What a hook is given and must get, whatever the login shell reads in it. */
const AWKWARD = `it's "quoted" \\ \\\\ \\' !! $(no) \`no\` =ls %1 {a,b} * ^a^b é`

const TEXT = 'echo "Welcome to this host!"; printf "no line end"; echo "a complaint" >&2\n'
const GARBAGE = "head -c 5000 /dev/urandom; printf '\\033]0;title\\007\\033[2J\\r'; head -c 300 /dev/urandom >&2\n"
const A_LOT = 'yes "a line that says nothing" | head -c 1200000; yes no | head -c 200000 >&2\n'

const ALL_WORK: Readonly<Record<string, Strangeness>> = {
  bash: {
    shell: '/bin/bash',
    files: { '.bashrc': TEXT, '.profile': TEXT },
    config: ['PrintMotd yes', 'Banner /etc/passwd'],
  },
  zsh: { shell: '/usr/bin/zsh', files: { '.zshenv': TEXT, '.zshrc': TEXT } },
  fish: { shell: '/usr/bin/fish', files: { '.config/fish/config.fish': TEXT.replaceAll(';', '\n') } },
  tcsh: { shell: '/usr/bin/tcsh', files: { '.tcshrc': 'echo "Welcome to this host"\n' } },
  dash: { shell: '/bin/dash', files: { '.profile': TEXT } },
  garbage: { shell: '/bin/bash', files: { '.bashrc': GARBAGE } },
  lot: { shell: '/bin/bash', files: { '.bashrc': A_LOT } },
  ahead: clock('+4000d'),
  behind: clock('-4000d'),
  umask000: { shell: '/bin/bash', files: { '.bashrc': 'umask 000\n' } },
  umask077: { shell: '/bin/bash', files: { '.bashrc': 'umask 077\n' } },
  ash: { busybox: true },
  dropbear: { server: 'dropbear', shell: '/bin/dash' },
  noisydrop: { server: 'dropbear', shell: '/usr/bin/zsh', files: { '.zshenv': TEXT } },
  linked: {
    place(root, { home, own }) {
      mkdirSync(join(home, 'real'))
      own(join(home, 'real'))
      symlinkSync(join(home, 'real'), join(root, 'shop'))
      return join(root, 'shop')
    },
  },
  mounted: {
    place(root, { home, mount, own }) {
      const at = join(root, 'shop')
      mkdirSync(at)
      mount(at)
      mkdirSync(join(home, 'shared'))
      for (const path of [at, join(home, 'shared')]) own(path)
      symlinkSync(join(home, 'shared'), join(at, 'shared'))
      return at
    },
  },
}

describe.skipIf(lacking !== undefined)(`strange hosts${lacking === undefined ? '' : ` (${lacking})`}`, () => {
  let story: StrangeStory
  beforeAll(async () => void (story = await makeStrangeStory(ALL_WORK)))
  afterAll(() => story?.dispose())

  it('are as strange as they say', async () => {
    const says = async (name: string, command: string): Promise<string> => {
      const ssh = promisify(execFile)('ssh', ['-F', story.sshConfigFile, name, command], {
        encoding: 'latin1',
        maxBuffer: 4_000_000,
      })
      const { stdout, stderr } = await ssh
      return stdout + stderr
    }
    const year = new Date().getFullYear()
    const words: [string, string, RegExp][] = [
      ['bash', 'true', /Welcome.*\nno line end.*complaint/s],
      ['zsh', 'true', /Welcome/],
      ['fish', 'status fish-path', /Welcome[^]*fish/],
      ['tcsh', 'echo $version', /Welcome[^]*tcsh/],
      ['garbage', 'true', /\[2J/],
      ['ash', 'exec sh --help', /BusyBox/],
      ['ahead', 'date +%Y', new RegExp(`^(?:${year + 10}|${year + 11})`)],
      ['behind', 'date +%Y', new RegExp(`^(?:${year - 10}|${year - 11})`)],
      ['umask000', 'umask', /^0000/],
      ['umask077', 'umask', /^0077/],
      ['noisydrop', 'true', /Welcome/],
    ]
    for (const [name, command, answer] of words) expect(await says(name, command), name).toMatch(answer)
    expect((await says('lot', 'true')).length).toBeGreaterThan(1_200_000)
  })

  it('release, upgrade, go back from a failing check by themselves, and roll back', async () => {
    const hook = `printf %s "$SAID" >../../shared/said; printf %s '${AWKWARD.replaceAll("'", `'\\''`)}' >../../shared/argument`
    await story.configure(
      {
        shared: { dirs: ['uploads'] },
        hooks: { afterSwitch: [hook] },
        health: [{ exec: 'test "$SHIP_VERSION" != 1.2.0', deadline: '200ms', interval: '100ms' }],
      },
      () => ({ env: { SAID: AWKWARD } }),
    )
    await story.build('1.0.0')
    await story.play('release', 0, '1.0.0')
    await story.build('1.1.0')
    await story.play('release', 0, '1.1.0')
    await story.build('1.2.0')
    await story.play('release', 6, '1.2.0')
    expect(await story.play('rollback', 0, '1.0.0')).toContain('1.0.0')
  })

  it.each(Object.keys(ALL_WORK))('"%s" runs what was built, and its hooks got what was written', async (name) => {
    const { deployTo } = story.host(name)
    expect(await runs(deployTo)).toMatchObject({ version: '1.0.0', whole: true })
    expect(readFileSync(join(deployTo, 'shared/argument'), 'utf8')).toBe(AWKWARD)
    expect(readFileSync(join(deployTo, 'shared/said'), 'utf8')).toBe(AWKWARD)
  })

  it('are looked at: journal, drift, checks', async () => {
    const history = await story.run('history --json')
    expect(history.code).toBe(0)
    const { data } = JSON.parse(history.stdout.trim().split('\n').at(-1) ?? '') as {
      data: { hosts: { host: string; lines: { action: string }[] }[] }
    }
    const actions = ['release', 'release', 'put-back', 'rollback']
    expect(data.hosts.map(({ host, lines }) => [host, lines.map(({ action }) => action)])).toEqual(
      Object.keys(ALL_WORK).map((name) => [name, actions]),
    )
    expect((await story.run('verify -e production')).code).toBe(0)
    const check = await story.run('check')
    for (const name of ['ahead', 'behind'])
      expect(check.stdout + check.stderr).toMatch(new RegExp(`${name}.*clock|clock.*${name}`))
  })

  it('do the same by the ssh and the rsync of the system, as far as rsync gets along with a login that prints', async () => {
    await story.configure({ transport: 'rsync' }, ({ deployTo, own }) => {
      const beside = join(deployTo, '..', 'by-rsync')
      mkdirSync(beside, { recursive: true })
      own(beside)
      return { deployTo: beside }
    })
    const big = (version: string): Record<string, string> => ({
      big: `${version}\n${'0123456789abcdef\n'.repeat(40_000)}`,
    })
    await story.build('2.0.0', big('2.0.0'))
    await story.play('release', 0, '2.0.0')
    await story.build('2.1.0', big('2.1.0'))
    const said = await story.play('release', 0, '2.1.0')
    for (const name of ['bash', 'garbage'])
      expect(said).toMatch(new RegExp(`${name}.*files that changed are sent whole`))
    expect(said).not.toMatch(/(?:umask|ahead|linked).*sent whole/)
    await story.play('rollback', 0, '2.0.0')
  })
})
