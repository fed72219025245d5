/** What people ask between releases: what would change, and what the app wrote. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { describeOverSsh } from '../support/sshd.ts'
import { makePlace, type Place } from './place.ts'

let place: Place
beforeAll(async () => void (place = await makePlace(2)))
afterAll(() => place.dispose())
beforeEach(() => place.fresh())

async function ship(args: string, code = 0) {
  const { code: ended, stdout, stderr } = await place.ship(args)
  expect({ ended, said: ended === code ? '' : stdout + stderr }).toEqual({ ended: code, said: '' })
  return { stdout, stderr }
}

function git(...args: readonly string[]): void {
  const settings = ['user.name=Ada', 'user.email=a@example.org', 'commit.gpgsign=false'].flatMap((s) => ['-c', s])
  execFileSync('git', [...settings, ...args], { cwd: place.shop.dir, stdio: 'ignore' })
}

/** A version with its commit. */
async function build(version: string, subject: string, more?: Record<string, string>): Promise<void> {
  await place.shop.write(version, more)
  git('add', '-A')
  git('commit', '-q', '-m', subject)
  await ship('build')
}

describeOverSsh('ship diff', () => {
  it('tells files and commits between what is live and what was built, equal hosts once', async () => {
    writeFileSync(join(place.shop.dir, '.gitignore'), 'dist\n')
    git('init', '-q')
    await build('1.0.0', 'the first')
    expect((await ship('diff')).stdout).toContain('nothing is live there: all of it is new')
    await ship('release')
    expect((await ship('diff')).stdout).toContain('the same: there is nothing to release')

    await build('1.1.0', 'prices are \u001b[31mright', { 'prices.txt': '1\n' })
    const { stdout } = await ship('diff')
    expect(stdout).toContain('all 2 hosts: 1.0.0 -> 1.1.0')
    expect(stdout).toMatch(/[0-9a-f]{7,} prices are \\x1b\[31mright \(Ada\)/)
    expect(stdout).toMatch(/\+ .*prices\.txt/)
    expect(stdout).not.toContain('the first')

    await ship('release --hosts web2')
    const mixed = await ship('diff 1.0.0')
    expect(mixed.stdout).toContain('web1: 1.0.0 -> 1.0.0')
    expect(mixed.stdout).toContain('web2: 1.1.0 -> 1.0.0')
    expect(mixed.stdout).toContain('1 commit of what is live is not in it')
    const result = JSON.parse((await ship('diff --json')).stdout.trim().split('\n').at(-1) ?? '')
    expect(result.data.groups).toMatchObject([
      { hosts: ['web1'], version: '1.0.0', commits: { addedCount: 1, removedCount: 0, added: [{ author: 'Ada' }] } },
      { hosts: ['web2'], version: '1.1.0', added: [] },
    ])
  })
})

describeOverSsh('ship logs', () => {
  const log = (host: number): string => join(place.deployTo[host] ?? '', 'shared/log/app.log')

  async function withLogs(): Promise<void> {
    await place.configure({ shared: { dirs: ['log'] }, logs: ['log/app.log'] })
    await place.build('1.0.0')
    await ship('release')
    for (const host of [0, 1]) writeFileSync(log(host), `one\ntwo of web${host + 1}\n`)
  }

  it('shows the configured ones with their hosts, and nothing else on stdout', async () => {
    await withLogs()
    const { stdout, stderr } = await ship('logs -n 1')
    expect(stdout.trim().split('\n').toSorted()).toEqual(['web1 | two of web1', 'web2 | two of web2'])
    expect(stderr).toBe('')
    expect((await ship('logs --hosts web1')).stdout).toBe('one\ntwo of web1\n')
  })

  it('shows others by name, says which is which, and which is not there', async () => {
    await withLogs()
    mkdirSync(join(place.deployTo[0] ?? '', 'shared/log'), { recursive: true })
    writeFileSync(join(place.deployTo[0] ?? '', 'shared/log/other.log'), 'third \u001b[2J\n')
    const both = await ship('logs log/other.log log/app.log --hosts web1 -n 1')
    expect(both.stdout).toBe('log/other.log: third \\x1b[2J\nlog/app.log: two of web1\n')
    const missing = await ship('logs log/no.log --hosts web1', 5)
    expect(missing.stdout).toContain('log/no.log: there is no such file, neither in the release nor in shared/')
    expect((await ship('logs ../../etc/passwd', 2)).stderr).toContain('neither a unit nor a path inside a release')
    await place.configure()
    expect((await ship('logs', 2)).stderr).toContain("logs: [{ unit: 'shop.service' }")
  })

  it('follows until Ctrl-C, over a file that is replaced, and leaves nothing running', async () => {
    await withLogs()
    let kill = (): void => undefined
    const running = place.ship('logs -f -n 1', {
      onStart: (child) => (kill = () => child.kill('SIGINT')),
      when: 'two of web2',
      onSeen: () => {
        // The other host's file may not have been opened yet: one that is absent for a moment would be told as such.
        writeFileSync(`${log(0)}.new`, 'fresh\n')
        renameSync(`${log(0)}.new`, log(0))
        setTimeout(() => kill(), 4000)
      },
    })
    const { code, stdout } = await running
    expect(stdout).toContain('web1 | fresh')
    expect(code).toBe(0)
    const left = execFileSync('ps', ['-eo', 'args']).toString()
    expect(left).not.toContain(`tail -n 1 -F -- current/log/app.log`)
  })
})
