/** The reader of ELF files, against readelf on files of this machine and on compiled ones, and against damaged files. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readElf, type ElfFile } from '../../src/elf/read.ts'
import { ShipError } from '../../src/errors.ts'
import { compiledTree, describeBigEndian, describeCompiled, versionedStub, withoutSections } from './compiled.ts'
import { elfFilesIn, readelf } from './readelf.ts'

/** Every n-th file of these folders is looked at. */
const SAMPLE = 7
const FOLDERS = ['/usr/bin', '/usr/sbin', '/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/lib64']

let dir = ''
beforeAll(() => void (dir = mkdtempSync(join(tmpdir(), 'ship-elf-read-'))))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

function read(file: string): ElfFile {
  const elf = readElf(file)
  if (!elf) throw new Error(`${file} is no ELF file`)
  return elf
}

function expectAsReadelf(files: readonly string[]): void {
  const opinions = readelf(files)
  for (const file of files) {
    const { cpu: _, bits: _bits, type, linking: _linking, ...rest } = read(file)
    if (type === 'debug' || type === 'relocatable') continue
    expect(rest, file).toEqual(opinions.get(file))
  }
}

describeCompiled('files of this machine', () => {
  const files = FOLDERS.flatMap((folder) => {
    try {
      return elfFilesIn(folder)
    } catch {
      return []
    }
  }).filter((_, i) => i % SAMPLE === 0)

  it('are read as readelf reads them', { timeout: 600_000 }, () => {
    expect(files.length).toBeGreaterThan(20)
    expectAsReadelf(files)
    const all = files.map(read)
    // The sample must hold what is compared.
    expect(all.some((e) => e.interpreter !== undefined)).toBe(true)
    expect(all.some((e) => e.soname !== undefined && e.provides.length > 1)).toBe(true)
    expect(all.flatMap((e) => e.requires).flatMap((r) => r.symbols).length).toBeGreaterThan(1000)
  })

  it('are read alike without section headers', { timeout: 600_000 }, () => {
    for (const file of files.filter((f) => statSync(f).size < 2_000_000)) {
      const elf = read(file)
      if (elf.type === 'debug' || elf.type === 'relocatable') continue
      const copy = join(dir, 'stripped')
      writeFileSync(copy, withoutSections(file))
      expect(read(copy), file).toEqual(elf)
    }
  })
})

/** Writes the flag of the first version that a little-endian file needs: `vna_flags` of its first `Vernaux`. */
function setWeak(file: string, weak: boolean): void {
  const said = execFileSync('readelf', ['-W', '-V', file], { encoding: 'utf8' })
  const offset = Number(/needs section[^]*?Offset: (0x[0-9a-f]+)/.exec(said)?.[1])
  const bytes = readFileSync(file)
  bytes.writeUInt16LE(weak ? 2 : 0, offset + 16 + 4)
  writeFileSync(file, bytes)
}

describeCompiled('a compiled file', () => {
  const tree = compiledTree()
  afterAll(tree.remove)

  it('has its search paths, soname, versions and kind told', () => {
    versionedStub(tree, 'lib/libver.so.2', 'VER_1.5', 'ver_symbol')
    const both = tree.library('lib/libuser.so.1', {
      code: 'int ver_symbol(void); int use(void) { return ver_symbol(); }',
      needs: ['lib/libver.so.2'],
      runpath: '$ORIGIN:/opt/x/lib::$ORIGIN/../lib',
      args: ['-nostdlib'],
    })
    expect(read(both)).toEqual({
      cpu: process.arch,
      bits: 64,
      type: 'shared',
      linking: 'dynamic',
      interpreter: undefined,
      soname: 'libuser.so.1',
      needed: ['libver.so.2'],
      runpath: ['$ORIGIN', '/opt/x/lib', '', '$ORIGIN/../lib'],
      rpath: [],
      requires: [{ library: 'libver.so.2', version: 'VER_1.5', weak: false, symbols: ['ver_symbol'] }],
      provides: [],
    })
    expect(read(join(tree.root, 'lib/libver.so.2')).provides).toEqual(['libver.so.2', 'VER_1.5'])
    expect(read(tree.program('bin/old', { rpath: '$ORIGIN/../lib' }))).toMatchObject({
      type: 'executable',
      linking: 'dynamic',
      runpath: [],
      rpath: ['$ORIGIN/../lib'],
    })
    expectAsReadelf([both, join(tree.root, 'lib/libver.so.2'), join(tree.root, 'bin/old')])
  })

  it('is static, an object, or debug information when it is that', () => {
    expect(read(tree.program('bin/static', { args: ['-static'] }))).toMatchObject({
      type: 'executable',
      linking: 'static',
    })
    expect(read(tree.program('bin/pie', { args: ['-static-pie'] }))).toMatchObject({
      type: 'executable',
      linking: 'static',
    })
    expect(read(tree.program('bin/nopie', { args: ['-no-pie'] }))).toMatchObject({
      type: 'executable',
      linking: 'dynamic',
    })
    const object = tree.program('x.o', { args: ['-c'] })
    expect(read(object).type).toBe('relocatable')
    const program = tree.program('bin/debug', { args: ['-g'] })
    execFileSync('objcopy', ['--only-keep-debug', program, join(dir, 'app.debug')])
    expect(read(join(dir, 'app.debug'))).toMatchObject({ type: 'debug', linking: 'static', needed: [] })
    expect(readElf(tree.write('text', 'not an ELF file at all, but longer than its head'))).toBeUndefined()
    expect(readElf(tree.write('empty', ''))).toBeUndefined()
  })

  it('says that a need is weak, which the loader lets pass', () => {
    versionedStub(tree, 'lib/libweak.so.1', 'WEAK_1', 'maybe')
    const user = tree.library('lib/libmaybe.so.1', {
      code: '__attribute__((weak)) int maybe(void); int use(void) { return maybe ? maybe() : 0; }',
      needs: ['lib/libweak.so.1'],
      args: ['-nostdlib'],
    })
    const need = { library: 'libweak.so.1', version: 'WEAK_1', symbols: ['maybe'] }
    // Not every linker says it, and the loader goes by what the file says.
    setWeak(user, true)
    expect(read(user).requires).toEqual([{ ...need, weak: true }])
    expectAsReadelf([user])
    setWeak(user, false)
    expect(read(user).requires).toEqual([{ ...need, weak: false }])
    expectAsReadelf([user])
  })

  it.skipIf(process.arch !== 'x64')('of 32 bits is read as well', () => {
    const args = ['-m32', '-nostdlib']
    const script = tree.write('v.map', 'THIRTYTWO_1 { global: *; };\n')
    tree.library('lib32/liba.so.1', { args: [...args, `-Wl,--version-script=${script}`] })
    const user = tree.library('lib32/libb.so.1', {
      code: 'int liba_so_1(void); int b(void) { return liba_so_1(); }',
      needs: ['lib32/liba.so.1'],
      runpath: '$ORIGIN',
      args,
    })
    expect(read(user)).toMatchObject({ cpu: 'ia32', bits: 32, runpath: ['$ORIGIN'], needed: ['liba.so.1'] })
    expect(read(user).requires).toEqual([
      { library: 'liba.so.1', version: 'THIRTYTWO_1', weak: false, symbols: ['liba_so_1'] },
    ])
    expectAsReadelf([user, join(tree.root, 'lib32/liba.so.1')])
    expect(read(tree.write('b32', withoutSections(user)))).toEqual(read(user))
  })
})

describeBigEndian('a big-endian file', () => {
  it.each([
    { name: 'of 64 bits', as: '-m64', ld: 'elf64_s390', hash: 'sysv', cpu: 's390x', bits: 64 },
    { name: 'of 64 bits, GNU hash', as: '-m64', ld: 'elf64_s390', hash: 'gnu', cpu: 's390x', bits: 64 },
    { name: 'of 32 bits', as: '-m31', ld: 'elf_s390', hash: 'sysv', cpu: 'other', bits: 32 },
  ])('$name is read as readelf reads it, also without section headers', ({ as, ld, hash, cpu, bits }) => {
    const at = (name: string): string => join(dir, name)
    const link = (name: string, args: readonly string[]): void => {
      execFileSync('s390x-linux-gnu-as', [as, '-o', at(`${name}.o`), at(`${name}.s`)])
      const all = [
        '-m',
        ld,
        '-shared',
        `--hash-style=${hash}`,
        `-soname=${name}`,
        '-o',
        at(name),
        at(`${name}.o`),
        ...args,
      ]
      execFileSync('s390x-linux-gnu-ld', all)
    }
    writeFileSync(at('map'), 'BIG_1.0 { global: *; };\n')
    writeFileSync(at('libbig.so.1.s'), '.text\n.globl big\n.type big,@function\nbig: br %r14\n')
    link('libbig.so.1', [`--version-script=${at('map')}`])
    writeFileSync(at('libuse.so.1.s'), '.text\n.globl use\n.type use,@function\nuse: brasl %r14,big@plt\n')
    link('libuse.so.1', [at('libbig.so.1'), '--enable-new-dtags', '-rpath', '$ORIGIN/../lib'])
    const elf = read(at('libuse.so.1'))
    expect(elf).toMatchObject({
      cpu,
      bits,
      soname: 'libuse.so.1',
      needed: ['libbig.so.1'],
      runpath: ['$ORIGIN/../lib'],
    })
    expect(elf.requires).toEqual([{ library: 'libbig.so.1', version: 'BIG_1.0', weak: false, symbols: ['big'] }])
    expectAsReadelf([at('libuse.so.1'), at('libbig.so.1')])
    writeFileSync(at('stripped'), withoutSections(at('libuse.so.1')))
    expect(read(at('stripped'))).toEqual(elf)
  })
})

describeCompiled('a damaged file', () => {
  const tree = compiledTree()
  afterAll(tree.remove)
  const originals: Buffer[] = []
  beforeAll(() => {
    versionedStub(tree, 'liba.so.1', 'A_1')
    const code = 'int ship_symbol(void); int main(void) { return ship_symbol(); }'
    const program = tree.program('app', { code, needs: ['liba.so.1'], runpath: '$ORIGIN' })
    originals.push(readFileSync(join(tree.root, 'liba.so.1')), readFileSync(program), withoutSections(program))
  })

  /** Parsed, or refused by name; anything else is a defect. */
  function outcome(file: string): 'parsed' | 'refused' {
    try {
      readElf(file)
      return 'parsed'
    } catch (error) {
      if (!(error instanceof ShipError)) throw error
      const named = error.message.startsWith(`"${file}" is a damaged ELF file: `)
      if (error.reason !== 'build' || !named) throw error
      return 'refused'
    }
  }

  it('is refused by its name, with what is wrong', () => {
    const [original = Buffer.alloc(0)] = originals
    const file = tree.write('damaged', original)
    truncateSync(file, 40)
    expect(() => readElf(file)).toThrow(`"${file}" is a damaged ELF file: its head is beyond its end`)
    const kind = Buffer.from(original)
    kind[4] = 7
    writeFileSync(file, kind)
    expect(() => readElf(file)).toThrow('its word size is of kind 7')
    const table = Buffer.from(original)
    table.fill(0xff, 32, 40)
    writeFileSync(file, table)
    expect(() => readElf(file)).toThrow('the table of program headers is')
  })

  it('never crashes or holds up the reader: cut off', () => {
    const file = join(dir, 'cut')
    const said = new Set<string>()
    fc.assert(
      fc.property(fc.nat(2), fc.integer({ min: 0, max: 1000 }), (which, thousandths) => {
        const original = originals[which] ?? Buffer.alloc(0)
        writeFileSync(file, original.subarray(0, Math.floor((original.length * thousandths) / 1000)))
        said.add(outcome(file))
      }),
      { numRuns: 300 },
    )
    expect(said).toContain('refused')
  })

  it('never crashes or holds up the reader: bytes changed', { timeout: 600_000 }, () => {
    const file = join(dir, 'changed')
    const said = new Set<string>()
    let slowest = 0
    const value = fc.oneof(
      fc.constantFrom('ffffffff', '00000000', 'ffffff7f', '01000000'),
      fc.nat(0xffff_ffff).map((n) => n.toString(16).padStart(8, '0')),
    )
    fc.assert(
      fc.property(
        fc.nat(2),
        // Most of what is read lies in front: the tables of the loader.
        fc.array(fc.tuple(fc.oneof(fc.nat(1023), fc.nat(20_000)), value), { minLength: 1, maxLength: 6 }),
        (which, changes) => {
          const bytes = Buffer.from(originals[which] ?? Buffer.alloc(0))
          for (const [at, hex] of changes) {
            const from = 4 + (at % (bytes.length - 8))
            Buffer.from(hex, 'hex').copy(bytes, from)
          }
          writeFileSync(file, bytes)
          const started = performance.now()
          said.add(outcome(file))
          slowest = Math.max(slowest, performance.now() - started)
        },
      ),
      { numRuns: 3000 },
    )
    expect([...said].toSorted()).toEqual(['parsed', 'refused'])
    expect(slowest).toBeLessThan(2000)
  })
})

describe('a file that is none', () => {
  it('is undefined, whatever it is', () => {
    const file = join(dir, 'short')
    writeFileSync(file, '\x7fEL')
    expect(readElf(file)).toBeUndefined()
  })
})
