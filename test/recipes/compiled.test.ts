/** Components compiled from Debian's source: they run from another prefix, with the libraries that came along. */
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readElf } from '../../src/elf/read.ts'
import { freePort, get, HAS_APT, mapped, place, run, snapshot, start, type Place } from './place.ts'

const TOOLS = ['/usr/bin/cc', '/usr/bin/make', '/usr/bin/dpkg-source'].every((file) => existsSync(file))

describe.skipIf(!HAS_APT || !TOOLS)('zlib, nginx and redis (needs apt-get, dpkg-source, cc, make)', () => {
  let project: Place
  let tree = ''
  let port = 0
  beforeAll(async () => {
    project = place('web-stack')
    port = await freePort()
    const conf = join(project.dir, 'nginx.conf')
    // Started by root, nginx would give its rights away, and with them the way to a folder of root's own.
    const user = process.getuid?.() === 0 ? 'user root;\n' : ''
    writeFileSync(conf, `${user}${readFileSync(conf, 'utf8').replace('8080', String(port))}`)
    await project.build()
    tree = project.unpack()
  })
  afterAll(() => project.dispose())

  it('nginx serves the pages, compressed by the zlib of the tree, and writes nothing into it', async () => {
    const before = snapshot(tree)
    const state = mkdtempSync(join(project.dir, 'state '))
    const server = start(tree, ['bin/site'], { STATE_DIRECTORY: state })
    try {
      const answer = await get(`http://127.0.0.1:${port}/`, { 'accept-encoding': 'gzip' })
      expect(answer.headers.get('content-type')).toBe('text/html')
      expect(answer.headers.get('content-encoding')).toBe('gzip')
      expect(await answer.text()).toBe(readFileSync(join(project.dir, 'pages/index.html'), 'utf8'))
      expect(mapped(server.pid).filter((file) => file.includes('/libz.'))).toEqual([
        expect.stringContaining(`${tree}/embedded/lib/libz.so.1`),
      ])
    } finally {
      await server.end()
    }
    expect(snapshot(tree)).toBe(before)
    expect(readElf(join(tree, 'embedded/bin/nginx'))?.runpath).toEqual(['$ORIGIN/../lib'])
  })

  it('redis answers', async () => {
    expect(run(tree, ['bin/redis-server', '--version'])).toMatch(/^Redis server v=\d+\.\d+\.\d+ .*malloc=libc/)
    const redisPort = String(await freePort())
    const server = start(tree, [
      'bin/redis-server',
      '--port',
      redisPort,
      '--bind',
      '127.0.0.1',
      '--save',
      '',
      '--dir',
      project.dir,
    ])
    const cli = (...words: string[]): string => run(tree, ['bin/redis-cli', '-p', redisPort, ...words])
    try {
      for (let turn = 0; turn < 100; turn++) {
        try {
          if (cli('PING') === 'PONG\n') break
        } catch {
          await sleep(50)
        }
      }
      expect(cli('PING')).toBe('PONG\n')
      expect(cli('SET', 'a', 'b c')).toBe('OK\n')
      expect(cli('EVAL', 'return redis.call("GET", KEYS[1])', '1', 'a')).toBe('b c\n')
    } finally {
      await server.end()
    }
  })

  it('comes with versions and licences, and without what is for compilers only', () => {
    expect(
      project
        .components()
        .map((c) => `${c.name} ${c.license ?? ''} ${/^pkg:deb\/debian\/[a-z]+@/.exec(c.purl ?? '')?.[0] ?? ''}`),
    ).toEqual([
      'zlib Zlib pkg:deb/debian/zlib@',
      'nginx BSD-2-Clause pkg:deb/debian/nginx@',
      'redis BSD-3-Clause pkg:deb/debian/redis@',
    ])
    const entries = project.entries()
    for (const file of ['nginx-copyright', 'redis-COPYING', 'redis-copyright', 'zlib-LICENSE', 'zlib-copyright'])
      expect(entries).toContain(`LICENSES/${file}`)
    expect(entries.filter((path) => /\/include|\.a$|pkgconfig|share\/man/.test(path))).toEqual([])
    expect(readFileSync(join(tree, 'version-manifest.txt'), 'utf8')).toMatch(
      /^nginx +1\.\d+\.\d+ +aptSource:[0-9a-f]{64}$/m,
    )
  })

  it('is built again without a network, and nothing is compiled', () => {
    const answer = project.buildOffline('--locked --json')
    expect(
      [...answer.matchAll(/"name":"(nginx|redis|zlib)","version":"[^"]*","outcome":"kept"/g)]
        .map(([, name]) => name)
        .toSorted((a = '', b = '') => a.localeCompare(b)),
    ).toEqual(['nginx', 'redis', 'zlib'])
  })
})
