/** The command drain, and that every kind has its tests. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { drainByType, drains } from '../../src/drain/index.ts'
import { change, here } from './place.ts'

it('every kind has a test beside this one', () => {
  expect(drains.map((d) => d.type)).toEqual(['nginx', 'haproxy', 'command'])
})

describe('command', () => {
  const kind = drainByType('command')
  it('runs with the facts of the host, and its failure is told with what it said', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'ship-drain-'))
    const log = join(dir, 'command.log')
    const options = kind.options.parse({
      drain: `echo out $SHIP_HOST >>${log}`,
      undrain: ['sh', '-c', `echo in $SHIP_HOST >>${log}`],
    })
    const servers = ['web1', 'web2'].map((server) => ({ server, env: { SHIP_HOST: server } }))
    await (await kind.change(here, options, change('drained', [], { servers }))).settle()
    await (await kind.change(here, options, change('in', [], { servers }))).settle()
    expect(readFileSync(log, 'utf8')).toBe('out web1\nout web2\nin web1\nin web2\n')
    const bad = kind.options.parse({ drain: 'echo no such balancer >&2; exit 3', undrain: 'exec sleep 60' })
    await expect(kind.change(here, bad, change('drained', [], { servers }))).rejects.toMatchObject({
      message: expect.stringContaining('ended with 3'),
      details: ['no such balancer'],
    })
    const late = kind.change(here, bad, change('in', [], { servers, waitMs: 500 }))
    await expect(late).rejects.toThrow('"exec sleep 60" was still running after 0.5 s')
    rmSync(dir, { recursive: true })
  })
})
