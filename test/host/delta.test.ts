/**
 * A release put together from what a host has is the very tree that a whole one is: content, modes, times and links, under each shell.
 * What the host has is not believed: a base that was changed is noticed.
 */
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { bestDelta, type Base } from '../../src/formats/delta.ts'
import { applyEdits, lineEdits } from '../../src/formats/line-edits.ts'
import { packPayload, type PackedContent, type PackedPayload } from '../../src/formats/payload.ts'
import { openSession } from '../../src/host/open.ts'
import type { HostSession, Lease } from '../../src/host/session.ts'
import { parseHostName } from '../../src/names.ts'
import { parseVersion } from '../../src/version.ts'
import { sentAs } from '../support/payloads.ts'
import { makeBundle, makeTree, SIGNAL, type Files } from '../support/bundle.ts'
import type { Fleet } from '../support/fleet.ts'
import { asSeen, describeInChroot } from '../support/files-only.ts'
import { describeOverSsh } from '../support/sshd.ts'
import { FILES_ONLY, KINDS, ofShells, owner, record, startKind, type Kind } from './kinds.ts'

const options = { signal: SIGNAL }
const BIG = 'x'.repeat(5000)
const HOSTILE: Files = {
  '-': `a file called minus${BIG}`,
  '-rf': `an option${BIG}`,
  '$(touch pwned)': `a command${BIG}`,
  [`it's "quoted" *`]: `quotes${BIG}`,
  grüße: `unicode${BIG}`,
  [`deep/${'n'.repeat(120)}/${'m'.repeat(120)}`]: `long${BIG}`,
}
/** Big enough for their differences to be looked for, where the transport can. */
const BULK = randomBytes(400_000)
const BULKY = `#bulk *"'/-it's`
const SAME = randomBytes(4_000_000)
const OLD: Files = {
  ...HOSTILE,
  VERSION: '1\n',
  'assets-1/logo': `logo${BIG}`,
  'bin/run': { run: `#!/bin/sh\n#${BIG}` },
  'bin/becomes-program': `#!/bin/sh\n# p${BIG}`,
  'gone/away': `away${BIG}`,
  'bulk/file': BULK,
  'bulk/same': SAME,
  [BULKY]: BULK.subarray(0, 300_000),
  'log/keep': `in the bundle${BIG}`,
  'becomes-folder': `file${BIG}`,
  'becomes-file/inner': `inner${BIG}`,
  link: { link: 'VERSION' },
  same: { link: 'bin/run' },
}
const NEW: Files = {
  ...HOSTILE,
  VERSION: '2\n',
  'assets-2/logo': `logo${BIG}`,
  'copy/of/logo': `logo${BIG}`,
  'bulk/same': SAME,
  'bulk/file': Buffer.concat([BULK.subarray(0, 1000), Buffer.from('!'), BULK.subarray(1000)]),
  [BULKY]: Buffer.concat([BULK.subarray(150_000, 300_000), BULK.subarray(0, 150_000)]),
  'bin/run': { run: `#!/bin/sh\n#${BIG}` },
  'bin/becomes-program': { run: `#!/bin/sh\n# p${BIG}` },
  'log/keep': `in the bundle${BIG}`,
  'becomes-folder/inner': `inner${BIG}`,
  'becomes-file': `file${BIG}`,
  link: { link: 'bin/run' },
  same: { link: 'bin/run' },
  empty: '',
}

/** A release that keeps every folder a folder. */
const STEADY: Files = Object.fromEntries(
  Object.entries({ ...NEW, 'becomes-folder': 'another\n', 'becomes-file/other': 'x' }).filter(
    ([path]) => path !== 'becomes-folder/inner' && path !== 'becomes-file',
  ),
)

let dir = ''
let steady: Awaited<ReturnType<typeof makeBundle>>
let old: Awaited<ReturnType<typeof makeBundle>>
let next: Awaited<ReturnType<typeof makeBundle>>
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'ship-delta-'))
  old = await makeBundle(dir, OLD, '1.0.0')
  next = await makeBundle(dir, NEW, '1.1.0')
  steady = await makeBundle(dir, STEADY, '1.2.0')
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

function baseOf(shared: readonly string[] = []): Base {
  return { version: old.manifest.version, manifest: old.manifest, digest: old.digest, shared }
}

describe.for(KINDS.filter((kind) => !kind.programs))('on $name', conformance)
describeOverSsh.for(KINDS.filter((kind) => kind.programs))('on $name', conformance)
describeInChroot.for([FILES_ONLY])('on $name', conformance)

function conformance({ name, compression, programs, filesOnly, transport: own }: Kind): void {
  const itWithShell = ofShells(filesOnly)
  let fleet: Fleet | undefined
  let session: HostSession
  let lease: Lease
  let root = ''
  let turn = 0

  beforeAll(async () => void (fleet = await startKind({ programs, filesOnly }, dir)))
  afterAll(() => fleet?.dispose())
  beforeEach(async () => {
    turn += 1
    root = join(fleet?.hosts[0]?.root ?? join(dir, name), `it's ${turn}`)
    const deployTo = fleet && filesOnly ? asSeen(fleet, root) : root
    const address = { name: parseHostName('web1'), address: 'web1', deployTo }
    const transport = own ?? (fleet ? 'sftp' : 'local')
    session = await openSession({ ...address, roles: [], labels: {}, env: {}, transport }, options)
    lease = (await session.lock(owner(), { sharedFiles: [] }, { leaseSeconds: 30, signal: SIGNAL })).lease
    return () => session.close()
  })

  const near = own === 'rsync'
  const pack = (bundle: typeof old, bases: readonly Base[] = []): PackedPayload =>
    packPayload(bundle, { compression, folder: mkdtempSync(join(dir, 'payload-')), bases, near, ...options })
  const stage = (
    bundle: typeof old,
    payload: PackedPayload,
    sharedDirs: string[] = [],
    reuse: 'copy' | 'hardlink' = 'copy',
    partial?: ReadonlyMap<string, number>,
  ): Promise<void> => {
    const { version } = bundle.manifest
    const shared = { sharedDirs, sharedFiles: [] }
    const spec = {
      ...payload,
      freeBytes: 0,
      ...shared,
      reuse,
      version,
      record: record(version, bundle.digest, { shared: sharedDirs }),
    }
    return session.stage(payload, spec, lease, { ...options, ...(partial ? { partial } : {}) })
  }
  /** Every path with its type, mode, time, size, number of names and target, and the content of files. */
  const tree = (version: string): string => {
    const at = join(root, 'releases', version)
    const list = `find . -mindepth 1 ! -path ./log -printf '%p %y %m %T@ %n %l\\n' | sort; find . -type f -print0 | sort -z | xargs -0 sha256sum`
    return execFileSync('sh', ['-c', list], { cwd: at, encoding: 'utf8' })
  }

  it('is the very tree that a whole one is, and far less was sent', async () => {
    await stage(old, pack(old), ['log'])
    // What the app left in its release is not taken over.
    writeFileSync(join(root, 'releases/1.0.0/left-by-the-app'), 'x')
    mkdirSync(join(root, 'shared/log'), { recursive: true })
    writeFileSync(join(root, 'shared/log/keep'), 'of the host, not of the bundle\n')
    const payload = pack(next, [baseOf(['log'])])
    expect(payload.base).toBe('1.0.0')
    expect(payload.near?.paths ?? []).toEqual(near ? [BULKY, 'bulk/file'] : [])
    await stage(next, payload)
    expect(await session.drift({ version: next.manifest.version, shared: ['log'] }, options)).toEqual([])
    const assembled = tree('1.1.0')
    const before = tree('1.0.0')
    await session.discard(next.manifest.version, lease, options)
    const whole = pack(next)
    await stage(next, whole)
    expect(assembled).toBe(tree('1.1.0'))
    expect(tree('1.0.0')).toBe(before)
    expect(statSync(join(root, 'releases/1.1.0/bin/run')).nlink).toBe(1)
    expect(readFileSync(join(root, 'releases/1.1.0/log/keep'), 'utf8')).toContain('in the bundle')
  })

  for (const reuse of ['copy', 'hardlink'] as const) {
    itWithShell(`nor is it another when the base is copied as a whole: ${reuse}`, async () => {
      await stage(old, pack(old), ['log', 'uploads'])
      mkdirSync(join(root, 'shared/log'), { recursive: true })
      const payload = pack(steady, [baseOf(['log', 'uploads'])])
      expect(payload.keepsMost).toBe(false)
      // A second name is all that may be new in the base.
      const nameless = (text: string): string => text.replaceAll(/ \d+ (?=\S*$)/gm, ' ')
      const before = nameless(tree('1.0.0'))
      await stage(steady, { ...payload, keepsMost: true }, ['log', 'uploads'], reuse)
      expect(await session.drift({ version: steady.manifest.version, shared: ['log', 'uploads'] }, options)).toEqual([])
      const assembled = tree('1.2.0')
      expect(nameless(tree('1.0.0'))).toBe(before)
      await session.discard(steady.manifest.version, lease, options)
      await stage(steady, pack(steady), ['log', 'uploads'])
      const whole = tree('1.2.0')
      const timeless = (text: string): string => nameless(text).replaceAll(/ [\d.]+ (?=\S*$)/gm, ' ')
      expect(reuse === 'copy' ? assembled : timeless(assembled)).toBe(reuse === 'copy' ? whole : timeless(whole))
    })
  }

  itWithShell('what was left in its base, or given another mode there, is not taken over', async () => {
    await stage(old, pack(old))
    const payload = pack(steady, [baseOf()])
    await stage(steady, payload)
    const clean = tree('1.2.0')
    await session.discard(steady.manifest.version, lease, options)
    chmodSync(join(root, 'releases/1.0.0/bin/run'), 0o600)
    writeFileSync(join(root, 'releases/1.0.0/left'), 'x')
    await stage(steady, { ...payload, keepsMost: true })
    expect(tree('1.2.0')).toBe(clean)
  })

  itWithShell(
    'a sample reads nothing where nothing was changed, and everything where an inode is another',
    async () => {
      await stage(old, pack(old))
      const at = join(root, 'releases/1.0.0/VERSION')
      const look = async (depth: 'full' | 'sample') =>
        (await session.drift({ version: old.manifest.version, shared: [] }, { ...options, depth })).map(
          ({ path }) => path,
        )
      expect(await look('sample')).toEqual([])
      const { atime, mtime } = statSync(at)
      writeFileSync(at, '9\n')
      utimesSync(at, atime, mtime)
      expect(await look('sample')).toEqual(['VERSION'])
      expect(await look('full')).toEqual(['VERSION'])
      writeFileSync(at, '1\n')
      expect(await look('sample')).toEqual([])
      writeFileSync(join(root, 'releases/1.0.0/left'), '')
      expect(await look('sample')).toEqual(['left'])
      rmSync(join(root, 'releases/1.0.0/left'))
      rmSync(join(root, 'releases/1.0.0/gone/away'))
      expect(await look('sample')).toEqual(['gone/away'])
    },
  )

  itWithShell('goes on where it was cut, and what came before is believed as little as the rest', async () => {
    const folder = mkdtempSync(join(dir, 'noise-'))
    const noise = await makeBundle(folder, { noise: randomBytes(6e6), VERSION: '9\n' }, '9.0.0')
    const payload = pack(noise)
    const state = async () => session.probe({ sharedFiles: [] }, options)
    const { id } = await payload.content
    const came = new Map([[id, 3e6]])
    const cutAt = (bytes: number): PackedPayload =>
      sentAs(payload, (content) => Readable.from(firstBytes(content, bytes)))
    await expect(stage(noise, cutAt(3e6))).rejects.toMatchObject({ name: 'ShipError' })
    expect((await state()).partial.get(id)).toBe(3e6)
    await stage(noise, payload, [], 'copy', came)
    expect(await session.drift({ version: noise.manifest.version, shared: ['log'] }, options)).toEqual([])
    expect((await state()).partial.size).toBe(0)
    await session.discard(noise.manifest.version, lease, options)
    // Spoiled on the host meanwhile: noticed at the end, and nothing of it is left for the next try.
    await expect(stage(noise, cutAt(3e6))).rejects.toMatchObject({ name: 'ShipError' })
    writeFileSync(join(root, '.ship/incoming', `part-${id}`), Buffer.alloc(3e6, 'x'))
    await expect(stage(noise, payload, [], 'copy', came)).rejects.toMatchObject({ name: 'ShipError' })
    expect((await state()).partial.size).toBe(0)
  })

  it('hard links only when asked: then one file has two names', async () => {
    await stage(old, pack(old))
    await stage(next, pack(next, [baseOf()]), [], 'hardlink')
    expect(await session.drift({ version: next.manifest.version, shared: ['log'] }, options)).toEqual([])
    const { nlink } = statSync(join(root, 'releases/1.1.0/-rf'))
    expect(nlink).toBe(name.startsWith('BusyBox') ? 1 : 2)
  })

  it('a base that was changed, or is gone, makes no release', async () => {
    await stage(old, pack(old))
    const payload = pack(next, [baseOf()])
    const file = join(root, 'releases/1.0.0/-rf')
    const content = readFileSync(file)
    writeFileSync(file, 'other bytes')
    await expect(stage(next, payload)).rejects.toMatchObject({ reason: 'refused' })
    writeFileSync(file, content)
    // A mode that somebody changed is not taken over.
    chmodSync(file, 0o777)
    await stage(next, payload)
    expect(statSync(join(root, 'releases/1.1.0/-rf')).mode & 0o777).toBe(0o644)
    await session.discard(next.manifest.version, lease, options)
    writeFileSync(join(root, '.ship/manifests/1.0.0.sums'), '')
    await expect(stage(next, payload)).rejects.toMatchObject({ reason: 'refused' })
    rmSync(join(root, 'releases/1.0.0'), { recursive: true })
    await expect(stage(next, payload)).rejects.toMatchObject({ reason: 'refused' })
  })
}

async function* firstBytes(payload: PackedContent, bytes: number): AsyncGenerator<Buffer> {
  let left = bytes
  for await (const chunk of payload.open() as AsyncIterable<Buffer>) {
    yield chunk.subarray(0, left)
    left -= chunk.length
    if (left <= 0) return
  }
}

describe('what is sent', () => {
  it('is what no release of the host holds, path by path', () => {
    const delta = bestDelta(next.manifest, [baseOf(['log'])])
    const sent = next.manifest.entries.filter((e) => delta?.sends(e) === true && e.type === 'file').map((e) => e.path)
    expect(sent).toEqual([BULKY, 'VERSION', 'bulk/file', 'empty', 'log/keep'])
    expect(delta?.copies).toEqual([
      { from: '1.0.0/assets-1/logo', to: 'assets-2/logo' },
      { from: '1.0.0/becomes-folder', to: 'becomes-file' },
      { from: '1.0.0/becomes-file/inner', to: 'becomes-folder/inner' },
      { from: '1.0.0/bin/becomes-program', to: 'bin/becomes-program' },
      { from: '1.0.0/assets-1/logo', to: 'copy/of/logo' },
    ])
  })

  it('is all of it when nothing is held, and when hardly anything is', async () => {
    const folder = mkdtempSync(join(dir, 'none-'))
    const other = await makeTree(join(folder, 'other'), { 'bin/run': 'y', odd: 'z' }, '0.9.0')
    expect(bestDelta(next.manifest, [])).toBeUndefined()
    const base = { version: parseVersion('0.9.0'), manifest: other.manifest, digest: '', shared: [] }
    expect(bestDelta(next.manifest, [base])).toBeUndefined()
    const payload = packPayload(next, { compression: 'gzip', folder, bases: [base], ...options })
    expect(payload.base).toBeUndefined()
  })

  it('edits of a long list are few, and right where much of it went or moved', () => {
    const lines = Array.from({ length: 3000 }, (_, n) => `line ${n}\n`)
    const lists: readonly (readonly [string[], number])[] = [
      [lines, 1],
      [lines.filter((_, n) => n % 100 !== 0), 30],
      [lines.map((line, n) => (n % 20 === 0 ? `new ${line}` : line)), 300],
      // Behind a gap that is longer than is looked ahead some lines count as new before all are looked at.
      [[...lines.slice(0, 100), ...lines.slice(1500)], 202],
      [[...lines.slice(2000), ...lines.slice(0, 2000)], 2201],
    ]
    for (const [after, most] of lists) {
      const edits = lineEdits(lines.join(''), after.join(''))
      expect(applyEdits(lines.join(''), edits)).toBe(after.join(''))
      expect(edits.split('\n').length - 1).toBeLessThanOrEqual(most)
    }
  })

  it('edits make one list of the other, as awk reads them', () => {
    const file = join(dir, 'list')
    const line = fc.stringMatching(/^[a-k+ ]{0,6}$/)
    fc.assert(
      fc.property(fc.array(line), fc.array(line), (before, after) => {
        const text = (lines: readonly string[]): string => lines.map((l) => `${l}\n`).join('')
        writeFileSync(file, text(before))
        const edits = lineEdits(text(before), text(after))
        expect(applyEdits(text(before), edits)).toBe(text(after))
        writeFileSync(`${file}.edits`, edits)
        const script = readFileSync(join(import.meta.dirname, '../../src/host/shell/scripts/assemble.sh'), 'utf8')
        const edited = execFileSync('sh', ['-c', `${script}\nedited "$1" "$2"`, 'sh', file, `${file}.edits`])
        expect(edited.toString()).toBe(text(after))
      }),
      { numRuns: 60 },
    )
  })
})
