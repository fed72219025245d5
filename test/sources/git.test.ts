/** `git` against a real repository over file://. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { refusal, sourceRoom, type SourceRoom } from '../support/sources.ts'

let room: SourceRoom
let origin = ''
beforeEach(() => {
  room = sourceRoom()
  origin = join(room.dir, 'origin')
  mkdirSync(origin)
  git('init', '-q', '-b', 'main')
  commit('one')
})
afterEach(() => room.dispose())

function git(...args: readonly string[]): string {
  const settings = [
    '-c',
    'user.name=t',
    '-c',
    'user.email=t@example.org',
    '-c',
    'commit.gpgsign=false',
    '-c',
    'protocol.file.allow=always',
  ]
  return execFileSync('git', [...settings, ...args], { cwd: origin, stdio: ['ignore', 'pipe', 'pipe'] })
    .toString()
    .trim()
}

/** Commits one file with this text and gives the commit. */
function commit(text: string, name = 'file'): string {
  writeFileSync(join(origin, name), text)
  git('add', '-A')
  git('commit', '-q', '-m', text)
  return git('rev-parse', 'HEAD')
}

const url = (): string => pathToFileURL(origin).href

describe('a git source', () => {
  it('is locked to the commit of its branch, and stays there when the branch moves', async () => {
    const first = git('rev-parse', 'HEAD')
    const source = { git: url(), ref: 'main' }
    const found = await room.resolve(source)
    expect(found.locked).toEqual({ commit: first })
    const second = commit('two')
    const again = await room.resolve(source, found.locked)
    expect(readFileSync(join(await room.fetch(again), 'file'), 'utf8')).toBe('one')
    expect((await room.resolve(source)).locked).toEqual({ commit: second })
  })

  it('takes branches, tags, commits, and a folder beside the project; and says which ref there is not', async () => {
    const first = git('rev-parse', 'HEAD')
    git('tag', '-a', 'v1', '-m', 'v1')
    commit('two')
    git('branch', 'v1-branch')
    for (const ref of ['v1', first, first.slice(0, 10)])
      expect((await room.resolve({ git: '../origin', ref })).digest, ref).toBe(first)
    expect(await refusal(room.resolve({ git: url(), ref: 'nowhere' }))).toContain(
      'has no branch, tag or commit "nowhere"',
    )
    expect(await refusal(room.resolve({ git: url(), ref: '--upload-pack=x' }))).toContain(
      'config: "--upload-pack=x" is no git source',
    )
    expect(await refusal(room.resolve({ git: `${url()}-missing`, ref: 'main' }))).toMatch(
      /could not be fetched\n.*does not (?:exist|appear)/,
    )
  })

  it('gives a locked commit that no branch names any more, and says so when it is gone', async () => {
    const lost = commit('two')
    const source = { git: url(), ref: 'main' }
    const { locked } = await room.resolve(source)
    git('reset', '-q', '--hard', 'HEAD~1')
    git('config', 'uploadpack.allowAnySHA1InWant', 'true')
    room.forget()
    expect(readFileSync(join(await room.fetch(await room.resolve(source, locked)), 'file'), 'utf8')).toBe('two')
    git('reflog', 'expire', '--expire=now', '--all')
    git('gc', '-q', '--prune=now')
    room.forget()
    expect(await refusal(room.resolve(source, locked).then((r) => room.fetch(r)))).toContain(
      `no longer has the locked commit ${lost}`,
    )
  })

  it('is the same whatever the caller has set, and for two who ask at the same time', async () => {
    commit('*.txt text\n', '.gitattributes')
    commit('a\nb\n', 'lines.txt')
    const home = join(room.dir, 'home')
    mkdirSync(home)
    writeFileSync(join(home, '.gitconfig'), '[core]\n\tautocrlf = true\n\teol = crlf\n')
    const before = { ...process.env }
    Object.assign(process.env, { HOME: home, GIT_DIR: join(room.dir, 'elsewhere') })
    try {
      const source = { git: url(), ref: 'main' }
      const both = await Promise.all([room.resolve(source), room.resolve(source)])
      const folders = await Promise.all(both.map((found) => room.fetch(found)))
      for (const folder of folders) expect(readFileSync(join(folder, 'lines.txt'), 'utf8')).toBe('a\nb\n')
      for (const folder of folders) expect(readdirSync(folder)).not.toContain('.git')
    } finally {
      for (const name of ['HOME', 'GIT_DIR']) {
        if (before[name] === undefined) delete process.env[name]
        else process.env[name] = before[name]
      }
    }
  })

  it('says that submodules are not fetched, and keeps no credentials', async () => {
    const other = join(room.dir, 'other')
    execFileSync('git', ['clone', '-q', origin, other])
    git('submodule', '--quiet', 'add', other, 'sub/module')
    git('commit', '-q', '-m', 'module')
    await room.fetch(await room.resolve({ git: url(), ref: 'main' }))
    expect(room.logged.join('\n')).toContain('has submodules, which are not fetched: sub/module')
    rmSync(join(room.context.cache, 'git'), { recursive: true })
    const text = await refusal(room.resolve({ git: 'https://me:geheim@127.0.0.1:9/x.git', ref: 'main' }))
    expect(text).toContain('build: "https://127.0.0.1:9/x.git" could not be fetched')
    const { status } = spawnSync('grep', ['-rq', 'geheim', room.context.cache])
    expect(`${text}${room.logged.join('\n')}`).not.toContain('geheim')
    expect(status).toBe(1)
  })
})
