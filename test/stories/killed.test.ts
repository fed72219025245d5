/** ship killed by SIGKILL at every step of a run, then the same command again: it ends well with no hand work. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { STEP_NAMES } from '../../src/release/transaction.ts'
import { describeOverSsh } from '../support/sshd.ts'
import { makePlace, type Place } from './place.ts'
import { leftovers, runs } from './shop.ts'

const KILLER = join(import.meta.dirname, 'killed-at.mjs')
/** Several builds and runs each; a busy machine takes its time. */
const SLOW = 600_000
/** Where a step ends the next one begins, but for what hosts do at their own pace; the long run has every end. */
const ENDS = ['lock', 'stage', 'switch', 'gate', 'mark']
const eventsOf = (step: string): readonly string[] =>
  ENDS.includes(step) || process.env['SHIP_FAULTS'] === 'long' ? ['step.started', 'step.finished'] : ['step.started']

let place: Place
/** Holds the name of each host that is out of its balancer. */
const out = (): string => join(place.shop.dir, 'out')
const drain = () => {
  mkdirSync(out(), { recursive: true })
  return { type: 'command', on: 'client', drain: 'touch "out/$SHIP_HOST"', undrain: 'rm -f "out/$SHIP_HOST"' }
}
beforeAll(async () => {
  place = await makePlace(3)
  await place.configure({
    keep: 1,
    shared: { dirs: ['log'] },
    hooks: {
      beforeStage: ['true'],
      beforeSwitch: ['true', { run: 'true', once: true }],
      afterSwitch: ['true'],
      afterVerify: ['true'],
    },
    health: [{ exec: './run' }],
    strategy: { type: 'rolling', batch: 2 },
    drain: drain(),
    confirm: '30s',
  })
  for (const version of ['0.1.0', '0.2.0']) {
    await place.build(version)
    expect((await place.ship('release')).code).toBe(0)
  }
})
afterAll(() => place.dispose())

async function killed(args: string, event: string, step: string): Promise<void> {
  const NODE_OPTIONS = `--import ${KILLER}`
  const { signal, stdout } = await place.ship(`${args} --json`, { env: { NODE_OPTIONS, KILL_AT: `${event} ${step}` } })
  // A run that was not killed would prove nothing.
  expect(signal, stdout).toBe('SIGKILL')
}

async function live(): Promise<string[]> {
  const found = await Promise.all(place.deployTo.map((dir) => runs(dir)))
  expect(found.every((f) => f.whole)).toBe(true)
  return found.map((f) => f.version)
}

function inode(dir: string, version: string): number {
  return statSync(join(dir, 'releases', version, 'VERSION')).ino
}

describeOverSsh('a release killed', () => {
  let before = '0.2.0'
  let minor = 2
  for (const step of STEP_NAMES) {
    for (const event of eventsOf(step)) {
      it(`at ${event} of ${step}`, { timeout: SLOW }, async () => {
        minor += 1
        const version = `0.${minor}.0`
        await place.build(version)
        const inodes = place.deployTo.map((dir) => inode(dir, before))
        await killed('release', event, step)
        // Each host runs the old one or the new one, whole; the old one is the one that was there.
        for (const found of await live()) expect([before, version]).toContain(found)
        const { code, stderr } = await place.ship('release')
        expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' })
        expect(await live()).toEqual([version, version, version])
        expect(place.deployTo.map((dir) => inode(dir, before))).toEqual(inodes)
        for (const dir of place.deployTo) expect(await leftovers(dir)).toEqual([])
        expect(readdirSync(out())).toEqual([])
        before = version
      })
    }
  }
})

describeOverSsh('a rollback killed', () => {
  const steps = ['lock', 'switch', 'afterSwitch', 'gate', 'undrain', 'mark'].filter((step) => STEP_NAMES.includes(step))
  const saved = (dir: string): string => `${dir}.saved`
  // As they are after three releases; each place begins with that.
  beforeAll(async () => {
    await place.fresh()
    await place.configure({
      hooks: { afterSwitch: ['true'] },
      health: [{ exec: './run' }],
      strategy: { type: 'rolling', batch: 2 },
      drain: drain(),
    })
    for (const version of ['1.0.0', '1.1.0', '1.2.0']) {
      await place.build(version)
      expect((await place.ship('release')).code).toBe(0)
    }
    for (const dir of place.deployTo) execFileSync('cp', ['-a', dir, saved(dir)])
  })
  for (const step of steps) {
    for (const event of eventsOf(step)) {
      it(`at ${event} of ${step}`, { timeout: SLOW }, async () => {
        for (const dir of place.deployTo) {
          rmSync(dir, { recursive: true, force: true, maxRetries: 5 })
          execFileSync('cp', ['-a', saved(dir), dir])
        }
        await killed('rollback', event, step)
        for (const found of await live()) expect(['1.1.0', '1.2.0']).toContain(found)
        const { code, stderr } = await place.ship('rollback')
        expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' })
        expect(await live()).toEqual(['1.1.0', '1.1.0', '1.1.0'])
        expect(readdirSync(out())).toEqual([])
      })
    }
  }
})
