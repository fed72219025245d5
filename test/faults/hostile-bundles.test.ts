/**
 * Bundles that strangers made to harm: each is refused by name and reason, before any host is asked, in little memory, and its names do
 * nothing to a terminal. Whoever makes the archive can make its manifest, so each shape comes beside an honest manifest and, where a
 * manifest can tell it, beside one that lists it.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ShipError } from '../../src/errors.ts'
import { openBundle, verifyBundle } from '../../src/formats/bundle.ts'
import { errorLines } from '../../src/ui/error.ts'
import { styleWith } from '../../src/ui/style.ts'
import { rawTar, rawTarGz, type RawEntry } from '../hosts/raw-tar.ts'
import { ship, type ShipResult } from '../support/cli.ts'
import { watchPeaks, type Peaks } from '../support/peaks.ts'

const SIGNAL = new AbortController().signal
const ROOT = 'shop-1.0.0'
const SUM_OF_A = '87428fc522803d31065e7bce3cf03fe475096631e5e07bbd7a0fde60c4cf25c7'

let dir = ''
beforeAll(() => void (dir = mkdtempSync(join(tmpdir(), 'ship-evil-'))))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const top: RawEntry = { name: `${ROOT}/`, type: '5', mode: 0o755 }
const fileA: RawEntry = { name: `${ROOT}/a`, content: 'a\n' }
const listedA = { path: 'a', type: 'file', mode: 0o644, size: 2, sha256: SUM_OF_A }

function manifestText(entries: readonly unknown[] = [listedA]): string {
  const head = { schema: 1, name: 'shop', version: '1.0.0', platform: 'any', epoch: 1_700_000_000 }
  return JSON.stringify({ ...head, components: [], entries })
}

let turn = 0
function write(archive: Buffer, manifest: string): string {
  const folder = join(dir, String((turn += 1)))
  mkdirSync(folder)
  writeFileSync(join(folder, `${ROOT}.tar.gz`), archive)
  writeFileSync(join(folder, `${ROOT}.manifest.json`), manifest)
  return join(folder, `${ROOT}.tar.gz`)
}

/** What is printed when it is refused; fails when it is not, or when something else than a refusal is thrown. */
async function refusal(archive: Buffer, manifest = manifestText()): Promise<string> {
  const error: unknown = await openBundle(write(archive, manifest))
    .then((bundle) => verifyBundle(bundle, { signal: SIGNAL }))
    .catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(ShipError)
  expect(error).toMatchObject({ reason: 'refused' })
  const lines = errorLines(error, { style: styleWith(false), verbose: true })
  // oxlint-disable-next-line no-control-regex -- control characters are exactly what is looked for
  expect(lines.filter((line) => /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/.test(line))).toEqual([])
  expect(lines.join('\n').length).toBeLessThan(20_000)
  return lines.join('\n')
}

it('the same archive with nothing wrong in it is accepted', async () => {
  const bundle = await openBundle(write(rawTarGz([top, fileA]), manifestText()))
  await expect(verifyBundle(bundle, { signal: SIGNAL })).resolves.toMatchObject({ digest: bundle.digest })
})

/** An entry more in the archive, that its manifest does not list; and what is said. */
const ENTRIES: readonly [string, readonly RawEntry[], RegExp][] = [
  ['a path that climbs out', [{ name: '../b' }], /"\.\.\/b", which its manifest does not list/],
  ['a path that climbs out of its folder', [{ name: `${ROOT}/../../b` }], /\.\.\/\.\.\/b/],
  ['an absolute path', [{ name: '/etc/cron.d/b' }], /"\/etc\/cron.d\/b"/],
  ['a path in another folder', [{ name: 'other-1.0.0/b' }], /other-1\.0\.0\/b/],
  ['an empty name', [{ name: '' }], /holds ""/],
  ['"." for a name', [{ name: '.', type: '5', mode: 0o755 }], /holds "\."/],
  ['an absolute link', [{ name: `${ROOT}/b`, type: '2', link: '/etc/passwd' }], /shop-1\.0\.0\/b/],
  ['a link that leads out', [{ name: `${ROOT}/b`, type: '2', link: '../../b' }], /shop-1\.0\.0\/b/],
  [
    'a file behind a link',
    [
      { name: `${ROOT}/b`, type: '2', link: '/tmp' },
      { name: `${ROOT}/b/c`, content: 'c' },
    ],
    /shop-1\.0\.0\/b/,
  ],
  ['a hard link to its own file', [{ name: `${ROOT}/b`, type: '1', link: `${ROOT}/a` }], /of type Link/],
  ['a hard link out', [{ name: `${ROOT}/b`, type: '1', link: '/etc/shadow' }], /of type Link/],
  ['a character device', [{ name: `${ROOT}/b`, type: '3' }], /of type CharacterDevice/],
  ['a block device', [{ name: `${ROOT}/b`, type: '4' }], /of type BlockDevice/],
  ['a named pipe', [{ name: `${ROOT}/b`, type: '6' }], /of type FIFO/],
  ['a contiguous file', [{ name: `${ROOT}/b`, type: '7' }], /of type ContiguousFile|not list/],
  ['a sparse file', [{ name: `${ROOT}/b`, type: 'S' }], /of type SparseFile/],
  ['part of another volume', [{ name: `${ROOT}/b`, type: 'M' }], /of type ContinuationFile/],
  ['a label', [{ name: 'label', type: 'V' }], /of type TapeVolumeHeader/],
  ['a list of a folder', [{ name: `${ROOT}/`, type: 'D' }], /of type GNUDumpDir/],
  ['a type that nobody knows', [{ name: `${ROOT}/b`, type: 'Z' }], /of type /],
  ['settings of one entry', [{ name: 'pax', type: 'x', content: '20 path=/etc/passwd\n' }], /of type ExtendedHeader/],
  ['settings of all entries', [{ name: 'pax', type: 'g', content: '20 path=/etc/passwd\n' }], /of type GlobalExtended/],
  [
    'an extended attribute',
    [{ name: 'pax', type: 'x', content: '40 SCHILY.xattr.security.capability=xxx\n' }],
    /of type ExtendedHeader/,
  ],
  ['an entry twice', [fileA], /does not list/],
  ['a name twice, in another Unicode spelling', [{ name: `${ROOT}/\u00e9` }, { name: `${ROOT}/e\u0301` }], /not list/],
  ['a path of 5,000 bytes', [{ name: `${ROOT}/${'long/'.repeat(1000)}b` }], /not list/],
  ['a path 2,000 levels deep', [{ name: `${ROOT}/${'d/'.repeat(2000)}b` }], /not list/],
  ['a name of a megabyte', [{ name: 'n'.repeat(1_000_000) }], /a name of 1000001 bytes/],
  ['a link with a target of a megabyte', [{ name: `${ROOT}/b`, type: '2', link: 't'.repeat(1_000_000) }], /a name of/],
  [
    'a name that is no UTF-8',
    [{ name: Buffer.concat([Buffer.from(`${ROOT}/`), Buffer.from([0xff, 0xfe])]) }],
    /not list/,
  ],
  ['a name with a line end', [{ name: `${ROOT}/b\nerror: all is well` }], /b\\x0aerror/],
  ['a name that clears the screen', [{ name: `${ROOT}/\u001b[2J\u001b]0;title\u0007` }], /\\x1b\[2J/],
  ['a name that runs the other way', [{ name: `${ROOT}/\u202egpj.exe` }], /\\u\{202e\}gpj/],
  ['a name with quotes and options', [{ name: `${ROOT}/--checkpoint-action=exec="$(touch INJ)"` }], /not list/],
  ['a name after no header', [{ name: 'n'.repeat(200), type: 'L', content: 'x\0' }], /ends after a long name|not list/],
  ['a negative size', [{ name: `${ROOT}/b`, size: -1 }], /size|damaged|not list|checksum/],
  ['a size beyond all measure', [{ name: `${ROOT}/b`, size: 2 ** 62 }], /size|damaged|not list|checksum/],
  ['a header with a wrong checksum', [{ name: `${ROOT}/b`, wrongChecksum: true }], /wrong checksum/],
]

describe('an archive that holds', () => {
  it.each(ENTRIES)('%s is refused', async (_, more, said) => {
    expect(await refusal(rawTarGz([top, fileA, ...more]))).toMatch(said)
    // The same in front: what comes first must not be believed either.
    await refusal(rawTarGz([...more, top, fileA]))
  })

  it.each([0o4755, 0o2755, 0o1777, 0o666, 0o777, 0o000])('a file of mode %i is refused', async (mode) => {
    expect(await refusal(rawTarGz([top, { ...fileA, mode }]))).toContain(`with mode ${mode.toString(8)}, not 644`)
  })

  it('200,000 files too many is refused at the first', async () => {
    const many = Array.from({ length: 200_000 }, (_, i): RawEntry => ({ name: `${ROOT}/b${i}` }))
    expect(await refusal(rawTarGz([top, fileA, ...many]))).toContain(
      '"shop-1.0.0/b0", which its manifest does not list',
    )
  })
})

const good = rawTar([top, fileA])
const flipped = Buffer.from(good)
flipped[1024] = 0x62

const CONTAINERS: readonly [string, Buffer, RegExp][] = [
  ['nothing', Buffer.alloc(0), /damaged|ends in the middle/],
  ['no gzip', Buffer.from('PK\u0003\u0004 not at all'), /damaged/],
  ['an empty archive', gzipSync(Buffer.alloc(1024)), /lacks|in the middle/],
  ['an archive cut in a header', gzipSync(good.subarray(0, 700)), /in the middle/],
  ['an archive cut in a file', gzipSync(good.subarray(0, 1537)), /in the middle/],
  ['gzip that is cut', gzipSync(good).subarray(0, 60), /damaged/],
  ['a flipped bit', gzipSync(flipped), /"a" with other bytes/],
  ['no end mark', rawTarGz([top, fileA], Buffer.alloc(0)), /in the middle/],
  [
    'half an end mark',
    rawTarGz([top, fileA], Buffer.concat([Buffer.alloc(512), Buffer.alloc(512, 1)])),
    /half an end mark/,
  ],
  ['a second archive in it', gzipSync(Buffer.concat([good, good])), /more bytes after its end/],
  ['a second archive behind it', Buffer.concat([gzipSync(good), gzipSync(good)]), /more bytes after its end|damaged/],
  ['garbage behind it', Buffer.concat([gzipSync(good), Buffer.from('garbage')]), /more bytes after its end|damaged/],
]

it.each(CONTAINERS)('%s for an archive is refused', async (_, archive, said) => {
  expect(await refusal(archive)).toMatch(said)
})

const file = (path: string): unknown => ({ ...listedA, path })
const link = (path: string, target: string): unknown => ({ path, type: 'link', mode: 0o777, target })
const folder = (path: string): unknown => ({ path, type: 'dir', mode: 0o755 })

/** Manifests that list what an archive then may hold: refused before the archive is opened. */
const LISTED: readonly [string, readonly unknown[], RegExp][] = [
  ['a path that climbs out', [file('../b')], /climbs out/],
  ['an absolute path', [file('/etc/passwd')], /is absolute/],
  ['"." in a path', [file('./b')], /"\." segment/],
  ['an empty path', [file('')], /is empty/],
  ['a backslash', [file('..\\b')], /backslash/],
  ['a line end', [file('b\nc')], /control character/],
  ['an escape', [file('\u001b[2J')], /control character/],
  ['half a character', [file('\ud800')], /not valid Unicode/],
  ['a path 2,000 levels deep', [file(`${'d/'.repeat(2000)}b`)], /deeper than 64/],
  ['a long name', [file('n'.repeat(256))], /above 255 bytes/],
  ['an absolute link', [link('b', '/etc/passwd')], /absolute link/],
  ['a link that leads out', [link('b', '../b')], /leads out of the tree/],
  [
    'a chain of links that leads out',
    [folder('b'), link('b/c', '.'), link('d', 'b/c/../../..')],
    /leads out|through another link/,
  ],
  ['a link to nothing', [link('b', '')], /link to nothing/],
  ['a link with a line end', [link('b', 'c\nd')], /control character/],
  ['a file behind a link', [link('b', '.'), file('b/c')], /below a link/],
  ['a file below a file', [file('b'), file('b/c')], /below a file/],
  ['a path twice', [file('b'), file('b')], /stands twice/],
  ['a name twice, in another Unicode spelling', [file('e\u0301'), file('\u00e9')], /another Unicode spelling/],
  ['setuid', [{ ...listedA, mode: 0o4755 }], /mode 4755/],
  ['a folder for everybody', [{ path: 'b', type: 'dir', mode: 0o777 }], /mode 0777/],
  ['a hard link', [{ path: 'b', type: 'hardlink', mode: 0o644, target: 'a' }], /of type "hardlink"/],
  ['a device', [{ path: 'b', type: 'device', mode: 0o644 }], /of type "device"/],
  ['a negative size', [{ ...listedA, size: -1 }], /size/],
  ['a key that nobody knows', [{ ...listedA, owner: 'root' }], /owner/],
  ['a path of another type', [{ ...listedA, path: ['a'] }], /path/],
]

it.each(LISTED)('a manifest that lists %s is refused', async (_, entries, said) => {
  expect(await refusal(rawTarGz([top, fileA]), manifestText(entries))).toMatch(said)
})

describe('the command line', () => {
  let connections = 0
  const server = createServer((socket) => {
    connections += 1
    socket.destroy()
  })
  let home = ''
  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
    home = join(dir, 'home')
    mkdirSync(home)
    const hosts = [{ host: '127.0.0.1', port: (server.address() as AddressInfo).port, deployTo: join(dir, 'host') }]
    writeFileSync(
      join(home, 'ship.config.json'),
      JSON.stringify({ name: 'shop', build: { from: '.' }, environments: { production: { hosts } } }),
    )
  })
  afterAll(() => void server.close())

  async function release(archive: Buffer, manifest: string): Promise<{ result: ShipResult; peaks: Peaks }> {
    let peaks: (() => Peaks) | undefined
    const result = await ship(['release', write(archive, manifest), '-e', 'production'], {
      cwd: home,
      onStart: ({ pid }) => void (peaks = watchPeaks(pid)),
    })
    return { result, peaks: peaks?.() ?? { rssBytes: 0, files: 0 } }
  }

  it('connects to nobody for a hostile archive, and says what is wrong with it', async () => {
    const { result } = await release(rawTarGz([top, fileA, { name: `${ROOT}/\u001b[2Jb`, type: '6' }]), manifestText())
    expect(result.code).toBe(9)
    expect(result.stderr).toContain('\\x1b[2Jb" is of type FIFO')
    expect(connections).toBe(0)
    expect(readdirSync(dir)).not.toContain('host')
  })

  it('reads a bomb of a gigabyte in a megabyte in less than 200 MB', async () => {
    const size = 2 ** 30
    // Zeros, compressed piece by piece: the members of a gzip file are one stream.
    const block = 64 * 1024 * 1024
    const head = gzipSync(rawTar([top, { name: `${ROOT}/a`, size }], Buffer.alloc(0)))
    const zeros = gzipSync(Buffer.alloc(block))
    const archive = Buffer.concat([
      head,
      ...Array.from({ length: size / block }, () => zeros),
      gzipSync(Buffer.alloc(1024)),
    ])
    expect(archive.length).toBeLessThan(4 * 1024 * 1024)
    const { result, peaks } = await release(archive, manifestText([{ ...listedA, size }]))
    expect(result.code).toBe(9)
    expect(peaks.rssBytes).toBeGreaterThan(0)
    expect(peaks.rssBytes).toBeLessThan(200 * 1024 * 1024)
    expect(connections).toBe(0)
  })
})
