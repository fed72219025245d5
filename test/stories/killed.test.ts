/** ship killed by SIGKILL at every step of a run, then the same command again: it ends well with no hand work. */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { STEP_NAMES } from '../../src/release/transaction.ts'
import { describeOverSsh } from '../support/sshd.ts'
import { makePlace, type Place } from './place.ts'
import { leftovers, runs } from './shop.ts'

const KILLER = join(import.meta.dirname, 'killed-at.mjs')
const EVENTS = ['step.started', 'step.finished']

let place: Place
beforeAll(async () => {
  place = await makePlace(3)
  await place.configure({
    keep: 1,
    shared: { dirs: ['log'] },
    hooks: { beforeStage: ['true'], beforeSwitch: ['true'], afterSwitch: ['true'], afterVerify: ['true'] },
    health: [{ exec: './run' }],
    strategy: { type: 'rolling', batch: 2 },
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
    for (const event of EVENTS) {
      it(`at ${event} of ${step}`, async () => {
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
        before = version
      })
    }
  }
})

describeOverSsh('a rollback killed', () => {
  const steps = ['lock', 'switch', 'afterSwitch', 'gate', 'mark'].filter((step) => STEP_NAMES.includes(step))
  for (const step of steps) {
    for (const event of EVENTS) {
      it(`at ${event} of ${step}`, async () => {
        await place.fresh()
        await place.configure({
          hooks: { afterSwitch: ['true'] },
          health: [{ exec: './run' }],
          strategy: { type: 'rolling', batch: 2 },
        })
        for (const version of ['1.0.0', '1.1.0', '1.2.0']) {
          await place.build(version)
          expect((await place.ship('release')).code).toBe(0)
        }
        await killed('rollback', event, step)
        for (const found of await live()) expect(['1.1.0', '1.2.0']).toContain(found)
        const { code, stderr } = await place.ship('rollback')
        expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' })
        expect(await live()).toEqual(['1.1.0', '1.1.0', '1.1.0'])
      })
    }
  }
})
