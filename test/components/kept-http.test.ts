/** Kept parts at an HTTP address, and the bound of their folder. */
import { mkdtempSync, readdirSync, rmSync, statSync, utimesSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { keep, takeKept, type KeepOptions } from '../../src/components/kept.ts'
import { sharedCache } from '../../src/components/kept-http.ts'
import { makeTree, SIGNAL } from '../support/bundle.ts'
import { workbench, type Workbench } from '../support/parts.ts'
import { serve, type Web } from '../support/web.ts'

const TOKEN = 'open sesame'

let web: Web
let bench: Workbench
let store: Map<string, Buffer>
let mood: 'good' | 'deaf' | 'broken'
let lie: ((name: string, body: Buffer) => Buffer) | undefined

function answer(request: IncomingMessage, response: ServerResponse): void {
  const name = (request.url ?? '').slice('/cache/'.length)
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    if (mood === 'deaf') return
    const [status, body] = answerTo(request, name, Buffer.concat(chunks))
    response.writeHead(status).end(body)
  })
}

function answerTo(
  { method, headers }: IncomingMessage,
  name: string,
  sent: Buffer,
): readonly [number, (Buffer | string)?] {
  if (mood === 'broken') return [500, 'oops']
  if (headers.authorization !== `Bearer ${TOKEN}`) return [401]
  if (method === 'PUT') {
    store.set(name, sent)
    return [201]
  }
  const body = store.get(name)
  return body ? [200, lie?.(name, body) ?? body] : [404, '<html>no</html>']
}

beforeEach(async () => {
  store = new Map()
  mood = 'good'
  lie = undefined
  web = await serve(answer)
  bench = workbench({ SHIP_CACHE_TOKEN: TOKEN })
  bench.recipe('one', `await step.write('lib/one', 'one')`, `version: '1',`)
  bench.recipe('two', `await step.write('lib/two', 'two')`, `version: '1',`)
  bench.recipe('mine', `await step.write('app', 'app')`, `dependencies: ['one', 'two'],`)
  configure()
})
afterEach(async () => {
  bench.dispose()
  await web.close()
})

function configure(cache: Readonly<Record<string, unknown>> = {}): void {
  bench.configure({ build: { recipe: 'mine', cache: { url: `${web.url}/cache/`, ...cache } } })
}

function forget(): void {
  rmSync(join(bench.cache, 'parts'), { recursive: true, force: true })
}

const outcomes = async (): Promise<readonly string[]> => [...(await bench.parts()).values()].map((p) => p.outcome)

describe('a shared cache', () => {
  it('gets what was built, and gives it to a machine that has nothing', async () => {
    expect(await outcomes()).toEqual(['built', 'built', 'built'])
    expect(store.size).toBe(4)
    const puts = web.asked.filter((a) => a.startsWith('PUT')).map((a) => a.replace(/^.*\.(json|tar\.zst)$/, '$1'))
    // A list is there after its archive.
    expect(puts.indexOf('json')).toBeGreaterThan(puts.indexOf('tar.zst'))
    forget()
    expect(await outcomes()).toEqual(['kept', 'kept', 'built'])
    web.asked.length = 0
    expect(await outcomes()).toEqual(['kept', 'kept', 'built'])
    expect(web.asked).toEqual([])
  })

  it('gets nothing when push is off', async () => {
    configure({ push: false })
    await outcomes()
    expect(web.asked.filter((a) => a.startsWith('PUT'))).toEqual([])
    expect(store.size).toBe(0)
  })

  it.each(['is down', 'is broken', 'wants another token'])(
    'that %s is said to be, once, and the build goes on',
    async (what) => {
      if (what === 'is down') await web.close()
      if (what === 'is broken') mood = 'broken'
      const env: Record<string, string> = what === 'wants another token' ? { SHIP_CACHE_TOKEN: 'x' } : {}
      const text = await bench.said('', 0, { env })
      expect(text.match(/warning: the shared cache/g)).toHaveLength(1)
      const expected = { 'is down': /ECONNREFUSED/, 'is broken': /HTTP 500/, 'wants another token': /HTTP 401/ }[what]
      expect(text).toMatch(expected ?? /never/)
      expect(text).not.toContain(TOKEN)
      expect(bench.tree()).toContain('embedded/lib/one')
      if (what === 'is down') web = await serve(answer)
    },
  )

  it.each([
    [
      'with other bytes',
      (name: string, body: Buffer) =>
        name.endsWith('.json') ? body : Buffer.concat([body.subarray(0, -9), Buffer.alloc(9, 1)]),
    ],
    [
      'with another list',
      (name: string, body: Buffer) =>
        name.endsWith('.json') ? Buffer.from(body.toString().replace('embedded/lib/one', 'embedded/lib/ooo')) : body,
    ],
    [
      'that leads out of the tree',
      (name: string, body: Buffer) =>
        name.endsWith('.json') ? Buffer.from(body.toString().replaceAll('embedded/lib/', '../../lib/')) : body,
    ],
    ['that is a page', () => Buffer.from('<html>please log in</html>')],
  ])('that answers %s is not believed, and what was built is what is shipped', async (_, change) => {
    await outcomes()
    forget()
    lie = change
    const text = await bench.said()
    expect(text).toMatch(
      /warning: (?:the kept result .* is damaged and is made anew|the shared cache gave something else)/,
    )
    expect(bench.tree()).toEqual(['app', 'embedded', 'embedded/lib', 'embedded/lib/one', 'embedded/lib/two'])
  })

  it('that never answers is waited for once', async () => {
    mood = 'deaf'
    const said: string[] = []
    const shared = sharedCache({ url: web.url, push: true, stallMs: 1000, warn: (message) => void said.push(message) })
    const started = Date.now()
    for (const name of ['a', 'b', 'c']) expect(await shared.pullList(name, SIGNAL)).toBe(undefined)
    expect(Date.now() - started).toBeLessThan(2900)
    expect(web.asked).toEqual(['GET /a'])
    expect(said).toEqual([expect.stringContaining('nothing came for')])
  })
})

describe('the folder of kept parts', () => {
  it('is bounded: what was used last stays', async () => {
    const home = mkdtempSync(join(tmpdir(), 'ship-kept-'))
    try {
      const dir = join(home, 'parts')
      const content = 'x'.repeat(400) + Math.random()
      const tree = await makeTree(join(home, 'tree'), { file: content })
      const part = { entries: tree.manifest.entries, parts: [] }
      const said: string[] = []
      const options: KeepOptions = {
        dir,
        maxBytes: Infinity,
        shared: undefined,
        signal: SIGNAL,
        warn: (m) => void said.push(m),
      }
      const key = (letter: string): string => letter.repeat(64)
      const back = (letter: string, seconds: number): void => {
        const time = new Date(Date.now() - seconds * 1000)
        for (const name of readdirSync(dir).filter((n) => n.startsWith(letter))) utimesSync(join(dir, name), time, time)
      }
      for (const letter of ['a', 'b', 'c']) await keep(key(letter), tree.root, part, options)
      for (const [letter, seconds] of [
        ['a', 300],
        ['b', 200],
        ['c', 100],
      ] as const)
        back(letter, seconds)
      // Taken, so no longer the oldest.
      expect(await takeKept(key('a'), join(home, 'taken'), options)).toMatchObject({ entries: part.entries })
      const size = readdirSync(dir)
        .filter((name) => name.startsWith('a'))
        .reduce((sum, name) => sum + statSync(join(dir, name)).size, 0)
      await keep(key('d'), tree.root, part, { ...options, maxBytes: size * 3 })
      expect([
        ...new Set(
          readdirSync(dir)
            .toSorted()
            .map((name) => name[0]),
        ),
      ]).toEqual(['a', 'c', 'd'])
      expect(await takeKept(key('b'), join(home, 'none'), options)).toBe(undefined)
      expect(said).toEqual([])
    } finally {
      rmSync(home, { recursive: true })
    }
  })
})
