/** The library check on really compiled trees: what it finds, and that the machine's own loader agrees. */
import { execFileSync, spawnSync } from 'node:child_process'
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { compiledTree, describeCompiled, describePatched, versionedStub, type CompiledTree } from './compiled.ts'
import { elfFilesIn } from './readelf.ts'

let tree: CompiledTree
beforeEach(() => void (tree = compiledTree()))
afterEach(() => tree.remove())

/** What the machine's loader does with a program of the tree, moved to another folder: undefined when it runs. */
function loaderSays(path: string): string | undefined {
  const home = mkdtempSync(join(tmpdir(), 'ship-moved-'))
  try {
    cpSync(tree.root, join(home, 'tree'), { recursive: true, verbatimSymlinks: true })
    const { status, stderr } = spawnSync(join(home, 'tree', path), { cwd: '/', encoding: 'utf8' })
    return status === 0 ? undefined : stderr.trim()
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}

describeCompiled('a library', () => {
  it('that is nowhere is told, with the file that needs it', async () => {
    tree.library('lib/libgone.so.1')
    tree.program('bin/app', { needs: ['lib/libgone.so.1'], runpath: '$ORIGIN/../lib' })
    expect(await tree.problems()).toEqual([])
    expect(loaderSays('bin/app')).toBeUndefined()
    rmSync(join(tree.root, 'lib/libgone.so.1'))
    expect((await tree.check()).findings).toEqual([
      {
        path: 'bin/app',
        component: undefined,
        problem: 'needs libgone.so.1, which is nowhere in the tree: it would come from the host',
        cure: 'put it into the tree, or let hosts give it: build.systemLibraries: ["libgone.so.1"]',
      },
    ])
    expect(loaderSays('bin/app')).toContain('libgone.so.1')
  })

  it('of the host is told, unless the configuration has it', async () => {
    tree.library('elsewhere/libpq.so.5')
    tree.program('bin/app', { needs: ['elsewhere/libpq.so.5'] })
    rmSync(join(tree.root, 'elsewhere'), { recursive: true })
    expect(await tree.problems()).toEqual([
      'bin/app needs libpq.so.5, which is nowhere in the tree: it would come from the host',
    ])
    for (const name of ['libpq.so.5', 'libpq.so.*', '*.so.5']) {
      const { findings, libraries } = await tree.check({ systemLibraries: [name] })
      expect(findings).toEqual([])
      expect(libraries).toEqual(expect.arrayContaining(['libc.so.6', 'libpq.so.5']))
    }
    expect(await tree.problems({ systemLibraries: ['libpq.so.6', 'pq'] })).toHaveLength(1)
  })

  it('of the tree must be where the loader looks', async () => {
    tree.library('lib/liba.so.1')
    tree.program('bin/app', { needs: ['lib/liba.so.1'] })
    const [finding] = (await tree.check()).findings
    expect(finding?.problem).toBe(
      'needs liba.so.1, which is in the tree at "lib/liba.so.1", but its RUNPATH does not lead there',
    )
    expect(finding?.cure).toContain("-Wl,-rpath,'$ORIGIN/../lib'")
    expect(loaderSays('bin/app')).toContain('liba.so.1')
    // A RUNPATH holds for the file itself only, an RPATH for its libraries too.
    tree.library('lib/libb.so.1', { needs: ['lib/liba.so.1'] })
    tree.program('bin/app', { needs: ['lib/libb.so.1'], runpath: '$ORIGIN/../lib', args: ['-Wl,-rpath-link,.'] })
    expect(await tree.problems()).toEqual([
      'lib/libb.so.1 needs liba.so.1, which is in the tree at "lib/liba.so.1", but its RUNPATH does not lead there',
    ])
    expect(loaderSays('bin/app')).toContain('liba.so.1')
    tree.program('bin/app', { needs: ['lib/libb.so.1'], rpath: '$ORIGIN/../lib' })
    expect(await tree.problems()).toEqual([])
    expect(loaderSays('bin/app')).toBeUndefined()
  })

  it('is found by the name of its link, and by no other', async () => {
    tree.library('lib/libv.so.1.2.3', { soname: 'libv.so.1' })
    tree.program('bin/app', { needs: ['lib/libv.so.1.2.3'], runpath: '$ORIGIN/../lib' })
    const [finding] = (await tree.check()).findings
    expect(finding?.problem).toBe(
      'needs libv.so.1, which "lib/libv.so.1.2.3" is by its soname, but no file has that name',
    )
    expect(finding?.cure).toBe('put a link beside it: libv.so.1 -> libv.so.1.2.3')
    expect(loaderSays('bin/app')).toContain('libv.so.1')
    tree.link('lib/libv.so.1', 'libv.so.1.2.3')
    expect(await tree.problems()).toEqual([])
    expect(loaderSays('bin/app')).toBeUndefined()
  })

  it('that misses a version is told before the loader does', async () => {
    versionedStub(tree, 'lib/libver.so.1', 'VER_2')
    const code = 'int ship_symbol(void); int main(void) { return ship_symbol() - 1; }'
    tree.program('bin/app', { code, needs: ['lib/libver.so.1'], runpath: '$ORIGIN/../lib' })
    expect(await tree.problems()).toEqual([])
    expect(loaderSays('bin/app')).toBeUndefined()
    versionedStub(tree, 'lib/libver.so.1', 'VER_1')
    expect(await tree.problems()).toEqual([
      'bin/app needs VER_2 (ship_symbol) of libver.so.1, which "lib/libver.so.1" does not have',
    ])
    expect(loaderSays('bin/app')).toContain("version `VER_2' not found")
  })
})

describeCompiled('a search path', () => {
  const only = async (runpath: string, kind: 'runpath' | 'rpath' = 'runpath') => {
    tree.library('embedded/lib/liba.so.1')
    tree.program('embedded/bin/app', { needs: ['embedded/lib/liba.so.1'], [kind]: `${runpath}:$ORIGIN/../lib` })
    const { findings } = await tree.check({ prefix: '/opt/shop/current' })
    return findings.map((f) => `${f.problem}; ${f.cure}`)
  }

  it('must not be absolute', async () => {
    expect(await only('/opt/shop/current/embedded/lib')).toEqual([
      'works in one place only: its RUNPATH has the absolute folder "/opt/shop/current/embedded/lib"; write it as "$ORIGIN/../lib"',
    ])
    expect(await only('/usr/local/lib', 'rpath')).toEqual([
      'works in one place only: its RPATH has the absolute folder "/usr/local/lib"; take it out, or write it relative to the file: "$ORIGIN/..."',
    ])
  })

  it('must not lead out of the tree, nor to where the program is started', async () => {
    expect(await only('$ORIGIN/../../../lib')).toEqual([
      'looks for libraries outside of the tree: its RUNPATH has "$ORIGIN/../../../lib"; put these libraries into the tree, and let the path lead there',
    ])
    expect(await only('lib')).toEqual([
      'looks for libraries in the folder it is started in: its RUNPATH has "lib"; write it as "$ORIGIN/lib"',
    ])
    expect(await only('$ORIGIN:')).toEqual([
      'looks for libraries in the folder it is started in: its RUNPATH has an empty folder; take the empty one out',
    ])
    expect(await only('$ORIGIN/../lib')).toEqual([])
  })
})

describeCompiled('a version of the C library', () => {
  /** A program that needs `symbol` in `version` of `library`, of which no real file is there. */
  const needing = (library: string, version: string, symbol = '__libc_start_main', path = 'bin/app'): void => {
    versionedStub(tree, library, version, symbol)
    const code = `int ${symbol}(void); void _start(void) { ${symbol}(); }`
    tree.program(path, { code, needs: [library], args: ['-nostdlib'] })
    rmSync(join(tree.root, library))
  }

  it('newer than that of a target is told with symbol, file and component', async () => {
    needing('libc.so.6', 'GLIBC_2.34')
    const { findings, floor, runsOn } = await tree.check({
      targets: ['debian12', 'debian11', 'ubuntu20.04', 'rhel9'],
      componentOf: (path) => `owner of ${path}`,
    })
    expect(findings).toEqual([
      {
        path: 'bin/app',
        component: 'owner of bin/app',
        problem: 'needs GLIBC_2.34 (__libc_start_main) of libc.so.6, and debian11 has 2.31, ubuntu20.04 has 2.31',
        cure: 'build it on debian11 or something older, or take debian11, ubuntu20.04 out of build.targets',
      },
    ])
    expect(floor).toEqual({
      version: '2.34',
      path: 'bin/app',
      symbol: '__libc_start_main',
      component: 'owner of bin/app',
    })
    expect(runsOn).toEqual(['debian12', 'debian13', 'ubuntu22.04', 'ubuntu24.04', 'rhel9', 'amazonlinux2023'])
    expect(await tree.problems({ targets: ['debian12', 'ubuntu22.04', 'rhel9'] })).toEqual([])
    expect(await tree.problems()).toEqual([])
  })

  it('is compared by number: 2.4 is older than 2.31, and 2.100 newer than 2.41', async () => {
    needing('libc.so.6', 'GLIBC_2.4')
    needing('libm.so.6', 'GLIBC_2.100', 'late', 'bin/late')
    expect(await tree.problems({ targets: ['debian11', 'debian13'] })).toEqual([
      'bin/late needs GLIBC_2.100 (late) of libm.so.6, and debian11 has 2.31, debian13 has 2.41',
    ])
    expect((await tree.check()).runsOn).toEqual([])
  })

  it('has companions: the C++ library, the runtime of gcc, and private symbols', async () => {
    needing('libstdc++.so.6', 'GLIBCXX_3.4.30', 'cxx')
    needing('libstdc++.so.6', 'CXXABI_1.3.14', 'abi', 'bin/b')
    needing('libgcc_s.so.1', 'GCC_13.0.0', 'gcc', 'bin/c')
    needing('libc.so.6', 'GLIBC_PRIVATE', 'inner', 'bin/d')
    expect(await tree.problems({ targets: ['ubuntu20.04'] })).toEqual([
      'bin/app needs GLIBCXX_3.4.30 (cxx) of libstdc++.so.6, and ubuntu20.04 has 3.4.28',
      'bin/b needs CXXABI_1.3.14 (abi) of libstdc++.so.6, and ubuntu20.04 has 1.3.12',
      'bin/c needs GCC_13.0.0 (gcc) of libgcc_s.so.1, and ubuntu20.04 has an older one',
      'bin/d needs private symbols (inner) of libc.so.6: it is a part of one exact C library',
    ])
    expect((await tree.check()).runsOn).toEqual(['debian13', 'ubuntu24.04'])
  })

  it('of the tree itself asks nothing of a target', async () => {
    versionedStub(tree, 'lib/libc.so.6', 'GLIBC_2.99', 'new_symbol')
    const code = 'int new_symbol(void); void _start(void) { new_symbol(); }'
    tree.program('bin/app', { code, needs: ['lib/libc.so.6'], runpath: '$ORIGIN/../lib', args: ['-nostdlib'] })
    expect(await tree.check({ targets: ['rhel8'] })).toMatchObject({ findings: [], floor: undefined })
  })

  it('is the newest one of all files, as objdump sees them', { timeout: 60_000 }, async () => {
    const sample = elfFilesIn('/usr/bin').filter((_, i) => i % 9 === 0)
    expect(sample.length).toBeGreaterThan(10)
    for (const file of sample) {
      rmSync(join(tree.root, 'bin'), { recursive: true, force: true })
      mkdirSync(join(tree.root, 'bin'))
      copyFileSync(file, join(tree.root, 'bin/it'))
      const { floor } = await tree.check()
      expect(floor?.version, file).toBe(newestByObjdump(file))
    }
  })
})

/** The newest `GLIBC_x.y` among "required from" of `objdump -p`; by sort -V, a second opinion on the order as well. */
function newestByObjdump(file: string): string | undefined {
  const said = execFileSync('objdump', ['-p', file], { encoding: 'utf8' })
  const versions = [...said.matchAll(/^ +0x[0-9a-f]+ 0x00 \d+ GLIBC_(\d[\d.]*)$/gm)].map((m) => m[1] ?? '')
  if (said.includes('GLIBC_ABI_DT_RELR')) versions.push('2.36')
  if (versions.length === 0) return undefined
  return execFileSync('sort', ['-V'], { input: versions.join('\n'), encoding: 'utf8' })
    .trim()
    .split('\n')
    .at(-1)
}

describeCompiled('a file', () => {
  it('must have a loader that hosts have', async () => {
    tree.program('bin/app', { args: ['-Wl,--dynamic-linker=/opt/shop/current/embedded/lib/ld.so'] })
    const [finding] = (await tree.check({ prefix: '/opt/shop/current' })).findings
    expect(finding?.problem).toBe('has "/opt/shop/current/embedded/lib/ld.so" as its loader, which hosts do not have')
    expect(finding?.cure).toContain('--dynamic-linker=/lib')
    tree.program('bin/app')
    expect(await tree.problems()).toEqual([])
  })

  it('made for musl is refused where the targets have glibc', async () => {
    const args = ['-nostdlib', '-Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1']
    tree.program('bin/app', { code: 'void _start(void) {}', args })
    expect(await tree.problems({ targets: ['debian12'] })).toEqual([
      'bin/app is made for musl (its loader is "/lib/ld-musl-x86_64.so.1"), and the targets have glibc',
    ])
    expect(await tree.problems()).toEqual([])
  })

  it('that is damaged is told, and one that is not ELF at all is not', async () => {
    const whole = readFileSync(tree.program('bin/app'))
    tree.write('bin/cut', whole.subarray(0, 80))
    tree.write('share/text', 'x'.repeat(100))
    const found = await tree.problems()
    expect(found).toHaveLength(1)
    expect(found[0]).toMatch(/^bin\/cut is a damaged ELF file: /)
    expect(await tree.problems({ allow: ['bin/cut'] })).toEqual([])
  })

  it('for another processor is told, unless it is one of the prebuilt ones of a package', async () => {
    const other = readFileSync(tree.program('bin/app'))
    other.writeUInt16LE(process.arch === 'arm64' ? 62 : 183, 18)
    const cpu = process.arch === 'arm64' ? 'x64' : 'arm64'
    for (const path of [
      `app/node_modules/bcrypt/prebuilds/linux-${cpu}/bcrypt.node`,
      `app/node_modules/@img/sharp-linux-${cpu}/lib/sharp.node`,
      `app/node_modules/@node-rs/crc32-linux-${cpu}-gnu/crc32.linux-${cpu}-gnu.node`,
    ])
      tree.write(path, other)
    const { findings, skipped, files } = await tree.check()
    expect({ findings, skipped, files }).toEqual({ findings: [], skipped: 3, files: 4 })
    tree.write('embedded/lib/x.node', other)
    expect(await tree.problems()).toEqual([`embedded/lib/x.node is for ${cpu}, and the tree is for ${process.arch}`])
  })

  it('that is an object, debug information or statically linked needs nothing', async () => {
    tree.program('share/x.o', { args: ['-c'] })
    tree.program('bin/static', { args: ['-static'] })
    const program = tree.program('lib/debug/app', { args: ['-g', '-Wl,-rpath,/nowhere'] })
    execFileSync('objcopy', ['--only-keep-debug', program, `${program}.debug`])
    rmSync(program)
    expect(await tree.check({ targets: ['rhel8'] })).toMatchObject({ findings: [], libraries: [], files: 3 })
  })

  it('that is allowed is not judged, and others still find it', async () => {
    tree.library('vendor/libodd.so.1', { runpath: '/nowhere' })
    tree.program('vendor/bin/app', { needs: ['vendor/libodd.so.1'], runpath: '$ORIGIN/..' })
    expect(await tree.problems()).toHaveLength(1)
    expect(await tree.problems({ allow: ['vendor/libodd.so.1'] })).toEqual([])
    expect(await tree.problems({ allow: ['vendor'] })).toEqual([])
    expect(await tree.problems({ allow: ['vend'] })).toHaveLength(1)
  })
})

describePatched('programs of this machine, with their libraries in a tree', () => {
  const programs = ['curl', 'rsync', 'git', 'gpg', 'openssl', 'zstd', 'wget', 'perl', 'ssh']
    .map((name) => `/usr/bin/${name}`)
    .filter((file) => elfFilesIn('/usr/bin').includes(file) && librariesByLdd(file).size > 0)

  it.each(programs)('%s runs and is without findings; with one library less it is neither', async (file) => {
    const name = basename(file)
    const libraries = librariesByLdd(file)
    mkdirSync(join(tree.root, 'bin'))
    mkdirSync(join(tree.root, 'lib'))
    copyFileSync(file, join(tree.root, 'bin', name))
    for (const [soname, at] of libraries) copyFileSync(at, join(tree.root, 'lib', soname))
    execFileSync('patchelf', ['--set-rpath', '$ORIGIN/../lib', join(tree.root, 'bin', name)])
    for (const soname of libraries.keys())
      execFileSync('patchelf', ['--set-rpath', '$ORIGIN', join(tree.root, 'lib', soname)])
    expect(await tree.problems()).toEqual([])
    expect([...librariesByLdd(join(tree.root, 'bin', name)).values()].every((at) => at.startsWith(tree.root))).toBe(
      true,
    )
    const [gone = ''] = libraries.keys()
    renameSync(join(tree.root, 'lib', gone), join(tree.root, 'lib/other-name'))
    const problems = await tree.problems()
    expect(problems.length).toBeGreaterThan(0)
    for (const problem of problems) expect(problem).toContain(`needs ${gone}, `)
    expect(await tree.problems({ systemLibraries: [gone] })).toEqual([])
  })

  it('are some', () => expect(programs.length).toBeGreaterThan(0))
})

/** Libraries outside of glibc and gcc that ldd finds for a program of this machine: soname -> file. */
function librariesByLdd(file: string): Map<string, string> {
  const said = execFileSync('ldd', [file], { encoding: 'utf8' })
  const base = /^(?:lib(?:c|m|dl|pthread|rt|resolv|util|nsl|anl|crypt|gcc_s|stdc\+\+)\.so|ld-linux|linux-vdso)/
  const found = [...said.matchAll(/^\s+(\S+) => (\/\S+) \(/gm)].map((m) => [m[1] ?? '', m[2] ?? ''] as const)
  return new Map(found.filter(([name]) => !base.test(name)))
}

describe('a tree without programs', () => {
  it('has nothing to tell', async () => {
    tree.write('index.html', '<p>'.repeat(100))
    writeFileSync(join(tree.root, 'empty'), '')
    const nothing = { findings: [], floor: undefined, libraries: [], files: 0, skipped: 0 }
    expect(await tree.check({ targets: ['rhel8'] })).toMatchObject(nothing)
  })
})
