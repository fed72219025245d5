/**
 * What ship does before it has to: it greets servers, connects while it reads the bundle, and packs what it expects to be asked for. None of it
 * may be seen but by the clock: a mistake logs in nowhere, and what was expected decides nothing.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { describeOverSsh } from '../support/sshd.ts'
import { makeCounted, type Counted } from './counted.ts'

describeOverSsh('a head start', () => {
  let place: Counted
  beforeAll(async () => {
    place = await makeCounted()
  })
  afterAll(() => place.dispose())
  beforeEach(async () => {
    await place.fresh()
    await place.configure([{ host: 'counted', deployTo: place.root }])
    await place.build('1.0.0')
    place.relay.reset()
  })
  const cache = (): string => join(place.dir, `cache of ${place.root.split(' ').at(-1)}`)
  const env = (): { env: Record<string, string> } => ({ env: { SHIP_CACHE_DIR: cache() } })
  const connections = (): number => place.relay.counted().connections

  it('is one connection, and none for what was typed wrong', async () => {
    await place.expectCode('release 9.9.9 -e production', 2)
    await place.expectCode('release 1.0.0 -e prodution', 2)
    expect(connections()).toBe(0)
    await place.expectCode('release 1.0.0 -e production', 0)
    expect(connections()).toBe(1)
  })

  const logins = (): number => place.fleet.hosts[0]?.sshd.log().split('Accepted publickey').length ?? 0
  const greeted = async (args: string, code: number): Promise<{ connections: number; logins: number }> => {
    place.relay.reset()
    const before = logins()
    await place.expectCode(args, code, env())
    return { connections: connections(), logins: logins() - before }
  }

  it('is a greeting, where the same configuration dialled before', async () => {
    const none = { connections: 0, logins: 0 }
    expect(await greeted('release 1.0.0 -e production', 0)).toEqual({ connections: 1, logins: 1 })
    expect(readdirSync(join(cache(), 'dialled'))).toHaveLength(1)
    // The same connection.
    expect(await greeted('release 1.0.0 -e production', 0)).toEqual({ connections: 1, logins: 1 })
    expect(await greeted('status -e production', 0)).toEqual({ connections: 1, logins: 1 })
    // A server may be greeted in vain, and is asked nothing.
    expect(await greeted('release 9.9.9 -e production', 2)).toEqual({ connections: 1, logins: 0 })
    expect(await greeted('rollback nonsense -e production', 2)).toEqual({ connections: 1, logins: 0 })
    // Who went to no host before goes to none now, as far as is known.
    expect(await greeted('plan 9.9.9 -e production', 2)).toEqual(none)
    expect(await greeted('config -e production', 0)).toEqual(none)
    expect(await greeted('status -e prodution', 2)).toEqual(none)
    writeFileSync(join(place.shop.dir, 'strange.tar.gz'), 'nothing')
    expect(await greeted('release strange.tar.gz -e production', 2)).toEqual(none)
    // Another configuration, and a mistake in it.
    await place.configure([{ host: 'counted', deployTo: place.root }], { keep: 0 })
    expect(await greeted('status -e production', 2)).toEqual(none)
    await place.configure([{ host: 'counted', deployTo: place.root }], { keep: 4 })
    expect(await greeted('status -e production', 0)).toEqual({ connections: 1, logins: 1 })
  })

  it.each(['{', '{"digest":1}', JSON.stringify({ digest: '', by: { status: [{ hostname: 'x', port: 0 }] } })])(
    'is none by a note that is broken: %s',
    async (text) => {
      await greeted('status -e production', 0)
      const [name = ''] = readdirSync(join(cache(), 'dialled'))
      writeFileSync(join(cache(), 'dialled', name), text)
      expect(await greeted('status -e production', 0)).toEqual({ connections: 1, logins: 1 })
    },
  )

  it('is given up when the bundle turns out wrong, without a word of the hosts', async () => {
    const [file = ''] = readdirSync(join(place.shop.dir, 'dist')).filter((name) => name.endsWith('.manifest.json'))
    writeFileSync(join(place.shop.dir, 'dist', file), '{}')
    const { stderr } = await place.expectCode('release 1.0.0 -e production', 9)
    expect(stderr).toContain(`${file}: the manifest has schema nothing`)
    expect(stderr).not.toContain('counted')
  })

  it('packs what is sent, and what was expected wrongly is not', async () => {
    const files = { 'data/big': Buffer.alloc(200_000, 'a'), 'data/other': 'one' }
    for (const [version, other] of [
      ['1.1.0', 'one'],
      ['1.2.0', 'two'],
      ['1.3.0', 'three'],
    ] as const) {
      await place.build(version, { ...files, 'data/other': other })
      await place.expectCode(`release ${version} -e production`, 0, env())
    }
    const folder = join(cache(), 'foreseen')
    const [name = ''] = readdirSync(folder)
    const kept = readFileSync(join(folder, name), 'utf8')
    expect(JSON.parse(kept)).toMatchObject({ version: '1.3.0' })
    const expected: readonly [string, string][] = [
      ['what is true', kept],
      ['no JSON', '{"version"'],
      ['another form', '{"version":"1.3.0"}'],
      ['a release that nobody has', kept.replace(/"digest":"[0-9a-f]{64}"/, `"digest":"${'0'.repeat(64)}"`)],
      ['a release that is not live', kept.replace('1.3.0', '1.2.0')],
      ['tools that the host lacks', kept.replace('"rsync":false', '"rsync":true')],
    ]
    for (const [index, [, text]] of expected.entries()) {
      writeFileSync(join(folder, name), text)
      const version = `1.4.${index}`
      await place.build(version, { ...files, 'data/other': `four ${index}` })
      const { stderr } = await place.expectCode(`release ${version} -e production`, 0, env())
      expect(stderr).toMatch(/stage +counted: ok .* sent, the rest from 1\./)
      expect(readFileSync(join(place.root, 'current/data/other'), 'utf8')).toBe(`four ${index}`)
    }
  })
})
