/** `url` against a real server: mirrors, pages in place of files, cut bodies, redirects, wrong bytes, credentials. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { refusal, sourceRoom, type SourceRoom } from '../support/sources.ts'
import { serve, type Web } from '../support/web.ts'

let web: Web
let room: SourceRoom
let archive = Buffer.alloc(0)
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')
let content = Buffer.from('one\n')
let cuts = 0

beforeAll(async () => {
  web = await serve((request, response) => {
    const path = new URL(request.url ?? '', 'http://x').pathname
    const send = (status: number, type: string, body: Buffer | string): void =>
      void response.writeHead(status, { 'content-type': type }).end(body)
    if (path === '/file.txt') send(200, 'text/plain', content)
    else if (path === '/app-1.0.tar.gz') send(200, 'application/gzip', archive)
    else if (path === '/page.tar.gz') send(200, 'text/html; charset=utf-8', '<!doctype html><title>Gone</title>')
    else if (path === '/moved') response.writeHead(302, { location: '/app-1.0.tar.gz' }).end()
    else if (path === '/away') response.writeHead(302, { location: 'http://example.invalid/x' }).end()
    else if (path === '/cut' || (path === '/cut-once' && cuts++ === 0)) {
      response.writeHead(200, { 'content-type': 'text/plain', 'content-length': '1000' })
      response.write('only this')
      setTimeout(() => response.destroy(), 20)
    } else if (path === '/cut-once') send(200, 'text/plain', content)
    else if (path === '/secret.txt' && request.headers.authorization === `Basic ${btoa('me:pass word')}`)
      send(200, 'text/plain', content)
    else send(404, 'text/html', '<html><body>No such page</body></html>')
  })
})
afterAll(() => web.close())
beforeEach(() => {
  room = sourceRoom()
  content = Buffer.from('one\n')
  web.asked.length = 0
  const tree = join(room.dir, 'app-1.0')
  mkdirSync(join(tree, 'sub'), { recursive: true })
  writeFileSync(join(tree, 'sub/run'), '#!/bin/sh\n', { mode: 0o755 })
  execFileSync('tar', ['-czf', join(room.dir, 'a.tar.gz'), '-C', room.dir, 'app-1.0'])
  archive = readFileSync(join(room.dir, 'a.tar.gz'))
})
afterEach(() => room.dispose())

describe('a url', () => {
  it('is locked to the bytes that it gave, and gives those ever after, without asking again', async () => {
    const source = { url: `${web.url}/file.txt` }
    const found = await room.resolve(source)
    expect(found.locked).toEqual({ sha256: sha256(content), size: 4 })
    content = Buffer.from('two\n')
    web.asked.length = 0
    const again = await room.resolve(source, found.locked)
    expect(readFileSync(join(await room.fetch(again), 'file.txt'), 'utf8')).toBe('one\n')
    expect(web.asked).toEqual([])
  })

  it('is unpacked when it is an archive, its one top folder taken off, through a redirect', async () => {
    const folder = await room.fetch(
      await room.resolve({ url: `${web.url}/app-1.0.tar.gz`, sha256: sha256(archive).toUpperCase() }),
    )
    expect(readdirSync(folder)).toEqual(['sub'])
    expect(statSync(join(folder, 'sub/run')).mode & 0o111).not.toBe(0)
    const moved = await room.resolve({ url: `${web.url}/moved` })
    expect(moved.digest).toBe(sha256(archive))
  })

  it('that gives other bytes than locked says what came instead', async () => {
    const source = { url: `${web.url}/file.txt` }
    const { locked } = await room.resolve(source)
    content = Buffer.from('<html>\x1b[31mnot the file you locked')
    room.forget()
    const text = await refusal(room.resolve(source, locked).then((r) => room.fetch(r)))
    expect(text).toContain(`build: "${web.url}/file.txt" could not be fetched`)
    expect(text).toContain(
      `other bytes than wanted: sha256 ${sha256(content)}, ${content.length} bytes, text/plain, beginning with "<html>`,
    )
    expect(text).toContain(`wanted is sha256 ${sha256(Buffer.from('one\n'))}`)
    expect(text).not.toContain('\x1b')
    expect(readdirSync(join(room.context.cache, 'downloads'))).toEqual([])
  })

  it('asks its mirrors in turn, and tells what each of them gave', async () => {
    const source = {
      url: `${web.url}/gone`,
      mirrors: [`${web.url}/page.tar.gz`, `${web.url}/file.txt`],
      sha256: sha256(content),
    }
    await room.resolve(source)
    expect(web.asked).toEqual(['GET /gone', 'GET /page.tar.gz', 'GET /file.txt'])
    room.forget()
    const text = await refusal(room.resolve({ ...source, mirrors: [`${web.url}/page.tar.gz`, 'http://127.0.0.1:9/x'] }))
    expect(text).toContain(`${web.url}/gone: HTTP 404 Not Found, text/html, beginning with "<html><body>No such page`)
    expect(text).toMatch(/page\.tar\.gz: other bytes than wanted: sha256 [0-9a-f]{64}, 34 bytes, text\/html.*Gone/)
    expect(text).toMatch(/127\.0\.0\.1:9\/x: fetch failed: /)
  })

  it('that gives a page where an archive should be is not locked', async () => {
    const text = await refusal(room.resolve({ url: `${web.url}/page.tar.gz` }))
    expect(text).toContain(
      'a page instead of an archive: 34 bytes, text/html; charset=utf-8, beginning with "<!doctype html>',
    )
  })

  it('that breaks off is asked again, three times, and never taken for whole', async () => {
    cuts = 0
    expect((await room.resolve({ url: `${web.url}/cut-once` })).digest).toBe(sha256(content))
    web.asked.length = 0
    const text = await refusal(room.resolve({ url: `${web.url}/cut` }))
    expect(web.asked).toEqual(['GET /cut', 'GET /cut', 'GET /cut'])
    expect(text).toContain(`${web.url}/cut: terminated`)
  })

  it('is fetched again when the kept copy was damaged', async () => {
    const source = { url: `${web.url}/app-1.0.tar.gz` }
    const found = await room.resolve(source)
    truncateSync(join(room.context.cache, 'downloads', found.digest), 20)
    expect(readdirSync(await room.fetch(found))).toEqual(['sub'])
    expect(web.asked).toEqual(['GET /app-1.0.tar.gz', 'GET /app-1.0.tar.gz'])
  })

  it('uses the credentials of its address, and writes them down nowhere', async () => {
    const source = { url: `${web.url.replace('//', '//me:pass%20word@')}/secret.txt?token=geheim&file=1` }
    const found = await room.resolve(source)
    expect(found.digest).toBe(sha256(content))
    expect(found.source).toEqual({ url: `${web.url}/secret.txt?token=***&file=1` })
    const denied = await refusal(room.resolve({ url: source.url.replace('me:', 'you:') }))
    for (const text of [denied, JSON.stringify(found), ...room.logged]) expect(text).not.toMatch(/pass|geheim/)
    expect(denied).toContain('HTTP 404')
  })

  it('must be https, or have a sha256', async () => {
    expect(await refusal(room.resolve({ url: 'ftp://example.org/x' }))).toContain(
      'config: "ftp://example.org/x" is no address',
    )
    expect(await refusal(room.resolve({ url: 'http://example.org/x' }))).toContain(
      'without encryption and has no sha256',
    )
    const mirrored = { url: 'https://example.org/x', mirrors: ['http://example.org/x'] }
    expect(await refusal(room.resolve(mirrored))).toContain('"http://example.org/x" is fetched without encryption')
    expect(await refusal(room.resolve({ url: `${web.url}/file.txt`, sha256: 'abc' }))).toContain('"abc" is no sha256')
  })

  it('whose lock was changed by hand against its own sha256 is refused', async () => {
    const source = { url: `${web.url}/file.txt`, sha256: sha256(content) }
    const text = await refusal(room.resolve(source, { sha256: '0'.repeat(64), size: 4 }))
    expect(text).toContain('config: ship.lock has something else for "part: it" than its recipe asks for')
    expect(await refusal(room.resolve(source, { sha256: 'x', size: 4 }))).toContain(
      'has an entry for "part: it" that cannot be read',
    )
  })
})

describe('an archive', () => {
  it('whose folders nobody may write to is unpacked so that it can be built in', async () => {
    execFileSync('sh', [
      '-c',
      `cd "${room.dir}" && chmod 0555 app-1.0/sub app-1.0 && chmod 4755 app-1.0/sub/run && tar -czf b.tar.gz app-1.0 && chmod -R u+w app-1.0`,
    ])
    archive = readFileSync(join(room.dir, 'b.tar.gz'))
    const folder = await room.fetch(await room.resolve({ url: `${web.url}/app-1.0.tar.gz` }))
    expect(statSync(join(folder, 'sub')).mode & 0o200).toBe(0o200)
    expect(statSync(join(folder, 'sub/run')).mode & 0o7000).toBe(0)
  })

  it('that is none is named', async () => {
    archive = Buffer.from('not a tar at all')
    const found = await room.resolve({ url: `${web.url}/app-1.0.tar.gz` })
    expect(await refusal(room.fetch(found))).toContain('build: "app-1.0.tar.gz" could not be unpacked')
  })
})
