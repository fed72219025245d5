/** Sources that differ from their commit: refused, told or let be, as the configuration and the flags say. */
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { smallProject, type SmallProject } from '../support/project.ts'

let project: SmallProject
beforeEach(() => {
  project = smallProject()
  project.write({ 'a.txt': 'a\n', 'b.txt': 'b\n', 'sub/c.txt': 'c\n' })
})
afterEach(() => project.dispose())

function begin(dirty?: string, more: Readonly<Record<string, unknown>> = {}): void {
  project.configure({ build: dirty === undefined ? {} : { dirty }, ...more })
  project.commit()
}

function isDirty(version = '1.0.0'): boolean {
  return (JSON.parse(project.read(`dist/shop-${version}.manifest.json`)) as { dirty?: boolean }).dirty === true
}

describe('build.dirty', () => {
  it('"refuse" names what changed, the first twenty and how many more', async () => {
    begin('refuse')
    await project.ship('build')
    project.write({ 'a.txt': 'other\n', 'a new one': 'x\n', 'sub/ünï.txt': 'x\n' })
    rmSync(join(project.dir, 'b.txt'))
    project.git('mv', 'sub/c.txt', 'sub/d.txt')
    const { stderr } = await project.ship('build --version 1.1.0', 9)
    expect(stderr).toMatch(/the sources differ from commit [0-9a-f]{9}: 5 changed files/)
    for (const line of [
      'changed  a.txt',
      'deleted  b.txt',
      'renamed  sub/d.txt',
      'new      a new one',
      'new      sub/ünï.txt',
    ]) {
      expect(stderr).toContain(`  ${line}\n`)
    }
    expect(stderr).toContain('--allow-dirty')
    expect(project.built()).toBe('1.0.0')
    for (let n = 0; n < 20; n++) project.write({ [`more ${n}`]: 'x' })
    const many = await project.ship('build --version 1.1.0', 9)
    expect(many.stderr).toContain('25 changed files')
    expect(many.stderr).toContain('and 5 more')
  })

  it('"refuse" lets through what is meant: --allow-dirty, --snapshot, --ref; the bundle tells all the same', async () => {
    begin('refuse')
    project.write({ 'a.txt': 'other\n' })
    const { stderr } = await project.ship('build --allow-dirty')
    expect(stderr).not.toContain('warning')
    expect(isDirty()).toBe(true)
    await project.ship('build --snapshot')
    expect(isDirty(project.built())).toBe(true)
    await project.ship('build --ref HEAD --version 1.1.0')
    expect(isDirty('1.1.0')).toBe(false)
  })

  it('by default a change is told and built, a clean tree and "allow" say nothing', async () => {
    begin()
    expect((await project.ship('build')).stderr).not.toContain('warning')
    project.write({ 'a.txt': 'other\n', 'sub/c.txt': 'other\n' })
    const { stderr } = await project.ship('build --version 1.1.0')
    expect(stderr).toMatch(/warning: the sources differ from commit [0-9a-f]{9}: 2 changed files \(a\.txt, \.\.\.\)/)
    expect(isDirty('1.1.0')).toBe(true)
    expect((await project.ship('build --snapshot')).stderr).not.toContain('warning')
    project.configure({ build: { dirty: 'allow' } })
    expect((await project.ship('build --version 1.2.0')).stderr).not.toContain('warning')
    expect(isDirty('1.2.0')).toBe(true)
    project.configure({ build: { dirty: 'no' } })
    expect((await project.ship('build', 2)).stderr).toContain('use "refuse", "warn" or "allow"')
  })

  it("ship's own output is not a change, nor is what lies beside the sources; no repository is nothing to compare", async () => {
    project.configure({ build: { dirty: 'refuse', from: '.' } })
    await project.ship('build')
    rmSync(join(project.dir, 'dist'), { recursive: true })
    project.commit()
    await project.ship('build')
    // dist/ is not ignored here, and holds what the first build left.
    await project.ship('build --version 1.1.0')
    expect(isDirty('1.1.0')).toBe(false)
    project.configure({ build: { dirty: 'refuse', from: 'sub' } })
    mkdirSync(join(project.dir, 'beside'))
    project.write({ 'beside/x': 'x' })
    await project.ship('build --version 1.2.0')
  })

  it('what --bump writes is no reason to refuse, and what was there before it is', async () => {
    project.write({ 'package.json': '{ "name": "shop", "version": "1.0.0" }\n', '.gitignore': 'dist\n' })
    begin('refuse', { version: 'package.json' })
    await project.ship('build --bump minor')
    expect(isDirty('1.1.0')).toBe(true)
    const { stderr } = await project.ship('build --bump minor', 9)
    expect(stderr).toContain('changed  package.json')
    expect(project.read('package.json')).toContain('"1.1.0"')
  })
})
