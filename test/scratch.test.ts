/** Folders for the work of a run: what a killed run left is gone after the next one, and nothing else is. */
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ownMark } from '../src/alive.ts'
import { makeScratch } from '../src/scratch.ts'
import { ship } from './support/cli.ts'
import { smallProject, type SmallProject } from './support/project.ts'

const KILLER = join(import.meta.dirname, 'stories/killed-at.mjs')
const LONG_AGO = new Date(Date.now() - 8 * 24 * 3600 * 1000)
let home: string
let project: SmallProject
const before = process.env['TMPDIR']

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'ship-scratch-test-'))
  project = smallProject()
  process.env['TMPDIR'] = home
})
afterEach(() => {
  if (before === undefined) delete process.env['TMPDIR']
  else process.env['TMPDIR'] = before
  project.dispose()
  rmSync(home, { recursive: true, force: true })
})

function left(): readonly string[] {
  return readdirSync(home).filter((name) => /^ship-(?:build|release)-/.test(name))
}

describe('a killed run', () => {
  const options = () => ({ env: { TMPDIR: home } })

  it('of a build leaves a folder, which the next build removes', async () => {
    const recipe = (argv: string): string =>
      `export default { name: 'mine', summary: '', async build(step) { await step.copy(); await step.run(${argv}) } }`
    project.configure({ build: { recipe: 'mine', exclude: ['recipes'] } })
    project.write({ 'recipes/mine.js': recipe(`['sh', '-c', 'kill -9 $PPID']`), 'a.txt': 'a\n' })
    expect(await ship('build', { cwd: project.dir, ...options() })).toMatchObject({ signal: 'SIGKILL' })
    const [folder = ''] = left()
    expect(existsSync(join(home, folder, 'first'))).toBe(true)
    project.write({ 'recipes/mine.js': recipe(`['true']`) })
    await project.ship('build', 0, options())
    expect(left()).toEqual([])
  })

  it('of a release as well', async () => {
    const local = join(project.dir, 'host')
    mkdirSync(local)
    project.configure({ build: { from: 'app' }, environments: { here: { hosts: [{ host: 'one', local }] } } })
    project.write({ 'app/a.txt': 'a\n' })
    await project.ship('build', 0, options())
    const killed = { env: { TMPDIR: home, NODE_OPTIONS: `--import ${KILLER}`, KILL_AT: 'step.finished lock' } }
    expect(await ship('release --json', { cwd: project.dir, ...killed })).toMatchObject({ signal: 'SIGKILL' })
    expect(left()).toHaveLength(1)
    await project.ship('release', 0, options())
    expect(left()).toEqual([])
  })
})

describe('the sweep', () => {
  /** A folder beside, with what stands in its `.owner`. */
  function folder(name: string, owner: object | string | undefined, old = false): string {
    const path = join(home, name)
    mkdirSync(join(path, 'deep'), { recursive: true })
    if (owner !== undefined) {
      writeFileSync(join(path, '.owner'), typeof owner === 'string' ? owner : JSON.stringify(owner))
    }
    if (old) utimesSync(path, LONG_AGO, LONG_AGO)
    return name
  }

  it('takes what is surely dead or long forgotten, and leaves all else', async () => {
    const mine = ownMark()
    const living = await makeScratch('release')
    utimesSync(living, LONG_AGO, LONG_AGO)
    const elsewhere = { ...mine, space: 'another boot pid:[1]' }
    for (const [name, owner, old] of [
      ['ship-build-dead01', { ...mine, pid: 2 ** 22 + 1 }],
      ['ship-build-reused', { ...mine, startTime: '1' }],
      ['ship-build-forgot', undefined, true],
      ['ship-release-other1', elsewhere, true],
      ['ship-build-broken', '{"pid":', true],
      ['ship-build-number', '7', true],
    ] as const) {
      folder(name, owner, old)
    }
    const kept = [
      folder('ship-build-newone', undefined),
      folder('ship-build-other2', elsewhere),
      folder('ship-build-broke2', 'null'),
      folder('ship-builds', { ...mine, startTime: '1' }, true),
      folder('ship-build-dead01.bak', { ...mine, startTime: '1' }, true),
    ]
    writeFileSync(join(home, 'ship-build-afile1'), '')
    utimesSync(join(home, 'ship-build-afile1'), LONG_AGO, LONG_AGO)
    const target = join(home, folder('precious', { ...mine, startTime: '1' }, true))
    symlinkSync(target, join(home, 'ship-build-linked'))
    const made = await makeScratch('build')
    const names = [...kept, 'ship-build-afile1', 'ship-build-linked', 'precious']
    const own = [living, made].map((path) => path.slice(home.length + 1))
    expect(readdirSync(home).toSorted()).toEqual([...names, ...own].toSorted())
    expect(existsSync(join(target, 'deep'))).toBe(true)
  })

  it.skipIf(process.getuid?.() !== 0)("leaves what is another user's", async () => {
    const name = folder('ship-build-theirs', { ...ownMark(), startTime: '1' }, true)
    chownSync(join(home, name), 65534, 65534)
    await makeScratch('build')
    expect(existsSync(join(home, name))).toBe(true)
  })
})
