/** Versions from git: tags of the project, tags with a prefix of one app among several, and what a clone without them says. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { versionOfTag } from '../../src/build/tags.ts'
import { compareVersions, parseVersion } from '../../src/version.ts'
import { ship } from '../support/cli.ts'
import { smallProject, type SmallProject } from '../support/project.ts'

let project: SmallProject
beforeEach(() => {
  project = smallProject()
  project.write({ 'a.txt': 'a\n', '.gitignore': 'dist\n' })
})
afterEach(() => project.dispose())

/** A repository with the setting, and one commit. */
function begin(version: string): void {
  project.configure({ version })
  project.commit()
}

async function builtNow(): Promise<string> {
  await project.ship('build')
  return project.built()
}

describe('version "git:PREFIX"', () => {
  it('takes tags with the prefix alone, with and without a v', async () => {
    begin('git:shop-')
    project.git('tag', 'shop-1.2.3')
    project.git('tag', 'v9.0.0')
    project.git('tag', 'workshop-8.0.0')
    project.git('tag', 'shop-latest')
    expect(await builtNow()).toMatch(/^1\.2\.3$/)
    project.commit('two')
    project.git('tag', '-a', 'shop-v1.3.0', '-m', 'annotated')
    expect(await builtNow()).toMatch(/^1\.3\.0$/)
    project.commit('three')
    project.git('tag', 'admin-v2.0.0')
    expect(await builtNow()).toMatch(/^1\.3\.1-dev\.1\.g[0-9a-f]{9}$/)
  })

  it('takes prefixes of packages', async () => {
    begin('git:@scope/shop@')
    project.git('tag', '@scope/shop@2.0.0-beta.1')
    project.git('tag', '@scope/admin@3.0.0')
    expect(await builtNow()).toMatch(/^2\.0\.0-beta\.1$/)
  })

  it('says where the setting stands when no tag can have the prefix', async () => {
    for (const [setting, problem] of [
      ['git:', 'names no prefix; write "git", or for example "git:shop-v"'],
      ['git:shop v', 'has a prefix that no tag can have'],
      ['git:shop-*', 'has a prefix that no tag can have'],
    ] as const) {
      begin(setting)
      const { stderr } = await project.ship('build', 2)
      expect(stderr).toContain(`ship.config.json:3:3  version: ${problem}`)
    }
  })

  it('says what there is when no tag has it', async () => {
    begin('git:shop-v')
    expect((await project.ship('build', 2)).stderr).toContain('the repository has no tag at all')
    for (const n of [1, 2, 3, 4, 5, 6]) project.git('tag', `v1.0.${n}`)
    const { stderr } = await project.ship('build', 2)
    expect(stderr).toContain('version "git:shop-v" needs a tag such as shop-v1.4.2, and none is before this commit')
    expect(stderr).toMatch(/the repository has tags: v1\.0\.\d, .*, and 1 more/)
    expect(stderr).toContain('git tag shop-v0.1.0')
  })
})

describe('version "git"', () => {
  it('takes the highest of several tags on a commit, however they were made', async () => {
    begin('git')
    project.git('tag', 'v1.10.0')
    project.git('tag', '-a', 'v1.9.0', '-m', 'made later, and git itself prefers it')
    project.git('tag', 'v1.10.0-rc.2')
    expect(await builtNow()).toMatch(/^1\.10\.0$/)
  })

  it('passes over tags that only look like versions, and those of other apps', async () => {
    begin('git')
    project.git('tag', 'v1.2.3')
    project.commit('two')
    project.git('tag', 'v1.2.3.4')
    project.git('tag', '2024.01.02')
    project.git('tag', 'shop-v5.0.0')
    expect(await builtNow()).toMatch(/^1\.2\.4-dev\.1\.g/)
  })

  it('counts on from a pre-release, and from build metadata, so that versions sort as commits do', async () => {
    begin('git')
    project.git('tag', 'v1.5.0-rc.1')
    expect(await builtNow()).toMatch(/^1\.5\.0-rc\.1$/)
    project.commit('two')
    expect(await builtNow()).toMatch(/^1\.5\.0-rc\.1\.dev\.1\.g[0-9a-f]{9}$/)
    const order = ['1.5.0-rc.1', project.built(), '1.5.0-rc.2', '1.5.0'].map((text) => parseVersion(text))
    expect(order.toSorted(compareVersions)).toEqual(order)
    project.git('tag', 'v1.6.0+linux.7')
    expect(await builtNow()).toMatch(/^1\.6\.0\+linux\.7$/)
    project.commit('three')
    expect(await builtNow()).toMatch(/^1\.6\.1-dev\.1\.g/)
  })

  it('outside of a repository says so', async () => {
    project.configure({ version: 'git' })
    expect((await project.ship('build', 2)).stderr).toContain('needs a git repository')
  })

  it('in a shallow clone names fetch-depth; with the tag on its commit it does not need it', async () => {
    begin('git')
    project.git('tag', 'v1.2.3')
    project.commit('two')
    const folder = mkdtempSync(join(tmpdir(), 'ship-shallow-'))
    try {
      const clone = (ref: string, name: string): string => {
        const from = `file://${project.dir}`
        execFileSync('git', ['clone', '-q', '--depth', '1', '--branch', ref, from, join(folder, name)], {
          stdio: 'pipe',
        })
        return join(folder, name)
      }
      const shallow = await ship('build', { cwd: clone('main', 'branch') })
      expect(shallow.code).toBe(2)
      expect(shallow.stderr).toContain('this clone is shallow')
      expect(shallow.stderr).toContain('fetch-depth: 0')
      expect(shallow.stderr).toContain('git fetch --unshallow --tags')
      const tagged = await ship('build', { cwd: clone('v1.2.3', 'tag') })
      expect({ code: tagged.code, stdout: tagged.stdout }).toEqual({
        code: 0,
        stdout: expect.stringContaining('built shop 1.2.3'),
      })
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })

  it('--ref takes the tags before that commit', async () => {
    begin('git')
    project.git('tag', 'v1.0.0')
    project.commit('two')
    project.git('tag', 'v2.0.0')
    await project.ship('build --ref v1.0.0')
    expect(project.built()).toBe('1.0.0')
  })
})

it.each([
  ['v1.2.3', '', '1.2.3'],
  ['1.2.3', '', '1.2.3'],
  ['shop-v1.2.3', 'shop-v', '1.2.3'],
  ['shop-v1.2.3', 'shop-', '1.2.3'],
  ['shop-v1.2.3', '', undefined],
  ['v1.2', '', undefined],
  ['v1.2.3-rc.1+5', 'v', '1.2.3-rc.1+5'],
])('the tag %s with prefix "%s" is %s', (tag, prefix, expected) => {
  expect(versionOfTag(tag, prefix)).toBe(expected)
})
