/** Many hosts from one process: what it takes of this machine, and what it says when the machine gives too little. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { ShipResult } from '../support/cli.ts'
import { watchPeaks } from '../support/peaks.ts'
import { describeOverSsh } from '../support/sshd.ts'
import { makePlace, type Place } from './place.ts'
import { runs } from './shop.ts'

const SIZE = 60

interface Row {
  readonly host: string
  readonly outcome: string
  readonly before?: string
  readonly after?: string
}

function rowsOf({ stdout }: ShipResult): readonly Row[] {
  const result = stdout.trim().split('\n').at(-1) ?? ''
  return (JSON.parse(result) as { readonly hosts: readonly Row[] }).hosts
}

describeOverSsh(`${SIZE} hosts`, () => {
  let place: Place
  const names = Array.from({ length: SIZE }, (_, n) => `web${n + 1}`).toSorted()
  beforeAll(async () => {
    place = await makePlace(SIZE)
    await place.build('1.0.0')
  })
  afterAll(() => place.dispose())

  it('refuses to begin when it may have too few files open, says how many it takes, and touches no host', async () => {
    const { code, stderr } = await place.ship('release', { openFiles: 100 })
    expect({ code, stderr }).toMatchObject({ code: 2 })
    expect(stderr).toMatch(/this process may have 100 files open, which is too few for 60 hosts/)
    expect(stderr).toContain('it takes 165')
    expect(stderr).toContain('ulimit -n 256')
    expect(place.deployTo.some((dir) => existsSync(dir))).toBe(false)
  })

  it('get a release with hardly more files than hosts, and each has its row in the result', async () => {
    let peaks = watchPeaks(0)
    const onStart = ({ pid }: { readonly pid: number }): void => void (peaks = watchPeaks(pid))
    const first = await place.ship('release --json', { openFiles: 170, onStart })
    expect({ code: first.code, stderr: first.stderr }).toEqual({ code: 0, stderr: '' })
    expect(rowsOf(first).map((r) => r.host)).toEqual(names)
    expect(rowsOf(first).every((r) => r.outcome === 'released' && r.after === '1.0.0')).toBe(true)
    expect(peaks().files).toBeGreaterThan(SIZE)
    expect(peaks().rssBytes).toBeLessThan(400e6)
    const found = await Promise.all(place.deployTo.map((dir) => runs(dir)))
    expect(new Set(found.map((f) => `${f.version} ${f.whole}`))).toEqual(new Set(['1.0.0 true']))
  })

  it('get the next one and go back, with the limit of files that many systems have', async () => {
    await place.build('1.1.0')
    const next = await place.ship('release --json', { openFiles: 256 })
    expect({ code: next.code, stderr: next.stderr }).toEqual({ code: 0, stderr: '' })
    const back = await place.ship('rollback --json', { openFiles: 256 })
    expect({ code: back.code, stderr: back.stderr }).toEqual({ code: 0, stderr: '' })
    expect(rowsOf(back).map((r) => r.host)).toEqual(names)
    expect(rowsOf(back).every((r) => r.before === '1.1.0' && r.after === '1.0.0')).toBe(true)
    for (const dir of place.deployTo) expect(existsSync(join(dir, '.ship/lock'))).toBe(false)
  })
})
