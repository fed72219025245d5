/** Programs that are one file: run from where they were put, and refused when the platform cannot run them. */
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { place, run } from './place.ts'

const HAS_CC = existsSync('/usr/bin/cc')
const GO = (process.env['PATH'] ?? '').split(':').some((folder) => folder !== '' && existsSync(join(folder, 'go')))

function compile(folder: string, args: readonly string[] = ['-o', 'hello', 'hello.c']): void {
  execFileSync('cc', ['-O2', ...args], { cwd: folder })
}

describe.skipIf(!HAS_CC)('binary (needs a C compiler)', () => {
  it.each(['plain', 'omnibus'])('runs from another prefix, layout %s', async (layout) => {
    const project = place('binary')
    compile(project.dir)
    chmodSync(join(project.dir, 'hello'), 0o600)
    project.configure({ layout })
    await project.build()
    const tree = project.unpack()
    expect(run(tree, ['bin/hello', 'a b', '*'])).toBe('hello <a b> <*>\n')
    const file = join(tree, layout === 'plain' ? 'bin/hello' : 'app/bin/hello')
    expect(statSync(file).mode & 0o777).toBe(0o755)
    // Sources and notes stay behind.
    const shipped = project.entries().filter((path) => !/^(?:LICENSES|version-manifest)/.test(path))
    expect(shipped).toEqual(
      layout === 'plain' ? ['bin', 'bin/hello'] : ['app', 'app/bin', 'app/bin/hello', 'bin', 'bin/hello'],
    )
    expect(readFileSync(join(project.dir, 'dist/hello-1.0.0.manifest.json'), 'utf8')).toContain(
      `"platform":"${process.platform}-${process.arch}"`,
    )
    project.buildOffline('--locked')
    project.dispose()
  })

  it('refuses what the platform cannot run, and says what it is', async () => {
    const project = place('binary')
    const file = join(project.dir, 'hello')
    const refused = async (code = 3): Promise<string> => (await project.build('', code)).stderr
    expect(await refused()).toContain('"hello", the program "hello" of build.bin, does not exist')
    compile(project.dir, ['-shared', '-fPIC', '-o', 'hello', 'hello.c'])
    expect(await refused()).toContain('is a library, and no program')
    compile(project.dir, ['-c', '-o', 'hello', 'hello.c'])
    expect(await refused()).toContain('is an object file, and no program')
    compile(project.dir)
    const bytes = readFileSync(file)
    bytes.writeUInt16LE(process.arch === 'arm64' ? 62 : 183, 18)
    writeFileSync(file, bytes)
    expect(await refused()).toMatch(/is for (?:arm64|x64), and the build is for linux-/)
    writeFileSync(file, '#!/bin/sh\n')
    expect(await refused()).toContain('is a script, and no program for linux-')
    writeFileSync(file, 'MZ\x90\0')
    expect(await refused()).toContain('is a program for Windows')
    writeFileSync(file, Buffer.from('cffaedfe07000001', 'hex'))
    expect(await refused()).toContain('is a program for macOS')
    compile(project.dir)
    project.configure({ exclude: ['hello'] })
    expect(await refused()).toContain('left out by build.include or build.exclude')
    project.configure({ exclude: [], bin: {} })
    expect(await refused()).toContain('no program is named, and the sources have no go.mod')
    project.configure({ bin: { hello: '../hello' } })
    expect(await refused()).toContain('climbs out')
    project.dispose()
  })

  it('is made again when the program changed, and only then', async () => {
    const project = place('binary')
    // A cache of its own: what an earlier run kept would be found.
    project.configure({ cache: { dir: 'kept' }, exclude: ['kept'] })
    compile(project.dir)
    const outcome = async (): Promise<string> =>
      /"outcome":"(kept|built)","reasons"/.exec((await project.build('--json')).stdout)?.[1] ?? ''
    await project.build()
    expect(await outcome()).toBe('kept')
    project.write({ 'hello.c': '#include <stdio.h>\nint main(void) { puts("other"); }\n' })
    compile(project.dir)
    expect(await outcome()).toBe('built')
    expect(run(project.unpack(), ['bin/hello'])).toBe('other\n')
    project.dispose()
  })
})

describe.skipIf(!GO)('go-binary (needs go)', () => {
  it('builds the packages of a module, without the paths of this machine', async () => {
    const project = place()
    project.write({
      'go.mod': 'module example.org/hello\n\ngo 1.19\n',
      'main.go': 'package main\n\nimport "fmt"\n\nfunc main() { fmt.Println("hello from go") }\n',
      'cmd/echo/main.go': 'package main\n\nimport "os"\n\nfunc main() { os.Stdout.WriteString(os.Args[1]) }\n',
    })
    mkdirSync(join(project.dir, '.git'), { recursive: true })
    project.configure({ recipe: 'go-binary' })
    await project.build('--check-repro')
    expect(run(project.unpack(), ['bin/app'])).toBe('hello from go\n')
    project.configure({ bin: { echo: 'cmd/echo' }, layout: 'omnibus' })
    await project.build()
    const tree = project.unpack()
    expect(run(tree, ['bin/echo', 'said'])).toBe('said')
    expect(readFileSync(join(tree, 'app/bin/echo')).includes(project.dir)).toBe(false)
    expect(project.components().find((c) => c.name === 'go')).toMatchObject({
      kind: 'runtime',
      version: expect.stringMatching(/^1\.\d+/),
    })
    project.dispose()
  })
})
