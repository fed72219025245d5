/** Trees that were built at one place and run at another: search paths of compiled files, and first lines of scripts, really run. */
import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readElf } from '../../src/elf/read.ts'
import { relocateTree } from '../../src/elf/relocate.ts'
import { compiledTree, describeCompiled, describePatched, type CompiledTree } from './compiled.ts'

let tree: CompiledTree
let elsewhere = ''
beforeEach(() => {
  tree = compiledTree()
  elsewhere = mkdtempSync(join(tmpdir(), 'ship elsewhere-'))
})
afterEach(() => {
  tree.remove()
  rmSync(elsewhere, { recursive: true, force: true })
})

/** The tree at another place, with a space in its path; nothing is left at the old one. */
function moved(): string {
  const to = join(elsewhere, 'a tree')
  cpSync(tree.root, to, { recursive: true, verbatimSymlinks: true })
  renameSync(tree.root, `${tree.root}.away`)
  mkdirSync(tree.root)
  rmSync(`${tree.root}.away`, { recursive: true })
  return to
}

function run(file: string, ...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(file, args, { cwd: '/', encoding: 'utf8' })
  return { status, stdout, stderr }
}

const USES_A = 'int liba_so_1(void); int main(void) { return liba_so_1() == 1 ? 0 : 9; }'

describeCompiled('a search path', () => {
  it('into the place of the build leads there from anywhere', () => {
    tree.library('embedded/lib/liba.so.1')
    const runpath = `${tree.root}/embedded/lib:/opt/shop/current/embedded/lib:/usr/lib/extra:${tree.root}/embedded/bin/../lib/`
    const program = tree.program('embedded/bin/app', { code: USES_A, needs: ['embedded/lib/liba.so.1'], runpath })
    chmodSync(program, 0o555)
    const size = statSync(program).size
    expect(relocateTree(tree.root, { from: [tree.root, '/opt/shop/current'] })).toEqual({
      changed: [
        { path: 'embedded/bin/app', kind: 'search path', before: runpath, after: '$ORIGIN/../lib:/usr/lib/extra' },
      ],
      impossible: [],
    })
    expect(readElf(program)?.runpath).toEqual(['$ORIGIN/../lib', '/usr/lib/extra'])
    expect({ mode: statSync(program).mode & 0o777, size: statSync(program).size }).toEqual({ mode: 0o555, size })
    expect(readFileSync(program).includes(`${tree.root}/`)).toBe(false)
    expect(execFileSync('readelf', ['-Wd', program], { encoding: 'utf8' })).toContain('[$ORIGIN/../lib:/usr/lib/extra]')
    expect(run(join(moved(), 'embedded/bin/app'))).toEqual({ status: 0, stdout: '', stderr: '' })
  })

  it('without this leads nowhere', () => {
    tree.library('embedded/lib/liba.so.1')
    const runpath = `${tree.root}/embedded/lib`
    tree.program('embedded/bin/app', { code: USES_A, needs: ['embedded/lib/liba.so.1'], runpath })
    expect(run(join(moved(), 'embedded/bin/app')).stderr).toContain('liba.so.1')
  })

  it('of the older kind, and of a library, is made relative too', () => {
    tree.library('embedded/lib/liba.so.1')
    tree.library('embedded/lib/deep/libb.so.1', {
      code: 'int liba_so_1(void); int libb_so_1(void) { return liba_so_1(); }',
      needs: ['embedded/lib/liba.so.1'],
      runpath: '/opt/shop/current/embedded/lib',
    })
    const code = 'int libb_so_1(void); int main(void) { return libb_so_1() == 1 ? 0 : 9; }'
    const rpath = '/opt/shop/current/embedded/lib/deep'
    tree.program('bin/app', { code, needs: ['embedded/lib/deep/libb.so.1'], rpath })
    const { changed } = relocateTree(tree.root, { from: ['/opt/shop/current'] })
    expect(changed.map((c) => `${c.path} ${c.after}`)).toEqual([
      'bin/app $ORIGIN/../embedded/lib/deep',
      'embedded/lib/deep/libb.so.1 $ORIGIN/..',
    ])
    expect(readElf(join(tree.root, 'bin/app'))?.rpath).toEqual(['$ORIGIN/../embedded/lib/deep'])
    expect(run(join(moved(), 'bin/app')).status).toBe(0)
  })

  it('of another place, or with a name that only starts alike, stays', () => {
    const runpath = '/opt/shopping/lib:/usr/lib:$ORIGIN'
    const before = readFileSync(tree.program('bin/app', { runpath }))
    expect(relocateTree(tree.root, { from: ['/opt/shop'] })).toEqual({ changed: [], impossible: [] })
    expect(readFileSync(join(tree.root, 'bin/app')).equals(before)).toBe(true)
  })

  it('whose bytes another string shares, or that has no room, stays and is named', () => {
    // The linker puts one string at the end of a longer one.
    tree.library('lib/liba.so.1')
    tree.program('bin/tail', { needs: ['lib/liba.so.1'], runpath: '/x', args: ['-Wl,-soname,/prefix/x'] })
    tree.program('deep/er/bin/app', { needs: ['lib/liba.so.1'], runpath: '/x/lib' })
    const before = readFileSync(join(tree.root, 'deep/er/bin/app'))
    const { changed, impossible } = relocateTree(tree.root, { from: ['/x'] })
    expect(changed).toEqual([])
    expect(impossible).toEqual([
      { path: 'bin/tail', before: '/x', why: expect.stringMatching(/longer than the room|another string/) as string },
      {
        path: 'deep/er/bin/app',
        before: '/x/lib',
        why: '"$ORIGIN/../../../lib" is longer than the room of 6 bytes',
      },
    ])
    expect(readFileSync(join(tree.root, 'deep/er/bin/app')).equals(before)).toBe(true)
  })

  it('of a file with another name outside of the tree changes here only', () => {
    tree.library('lib/liba.so.1')
    const runpath = '/opt/shop/current/lib'
    const program = tree.program('bin/app', { code: USES_A, needs: ['lib/liba.so.1'], runpath })
    linkSync(program, join(elsewhere, 'store'))
    expect(relocateTree(tree.root, { from: ['/opt/shop/current'] }).changed).toHaveLength(1)
    expect(readElf(join(elsewhere, 'store'))?.runpath).toEqual([runpath])
    expect(readElf(program)?.runpath).toEqual(['$ORIGIN/../lib'])
  })
})

describePatched('a search path that patchelf wrote', () => {
  it('is made relative as well', () => {
    tree.library('lib/liba.so.1')
    const program = tree.program('bin/app', { code: USES_A, needs: ['lib/liba.so.1'] })
    execFileSync('patchelf', ['--set-rpath', `${tree.root}/lib`, program])
    expect(relocateTree(tree.root, { from: [tree.root] }).changed).toHaveLength(1)
    expect(execFileSync('patchelf', ['--print-rpath', program], { encoding: 'utf8' })).toBe('$ORIGIN/../lib\n')
    expect(run(join(moved(), 'bin/app')).status).toBe(0)
  })
})

/** Real interpreters of this machine, called by a link in the tree, and scripts that say how they were called. */
const LANGUAGES = [
  {
    name: 'python',
    program: '/usr/bin/python3',
    link: 'python3.11',
    args: '-E -s',
    // Python finds its own modules from the link's target; -E -s change nothing that is printed.
    body: 'import sys\nprint(sys.flags.ignore_environment, sys.flags.no_user_site, sys.argv[1:])\n',
    said: "1 1 ['a b', '*']\n",
    bare: "0 0 ['a b', '*']\n",
  },
  {
    name: 'node',
    program: process.execPath,
    link: 'node',
    args: '--no-deprecation',
    body: 'console.log(process.execArgv.join(), JSON.stringify(process.argv.slice(2)))\n',
    said: '--no-deprecation ["a b","*"]\n',
    bare: ' ["a b","*"]\n',
  },
  {
    name: 'perl',
    program: '/usr/bin/perl',
    link: 'perl5',
    args: '-w',
    body: 'print "$^W @ARGV[0,1]\\n";\n',
    said: '1 a b *\n',
    bare: '0 a b *\n',
  },
  {
    name: 'ruby',
    program: '/usr/bin/ruby',
    link: 'ruby',
    args: '-W0',
    body: 'puts "#{$VERBOSE.inspect} #{ARGV.inspect}"\n',
    said: 'nil ["a b", "*"]\n',
    bare: 'false ["a b", "*"]\n',
  },
  {
    name: 'sh',
    program: '/bin/sh',
    link: 'sh',
    args: '-f',
    body: 'echo "$- $1 $2"\n',
    said: expect.stringMatching(/^f\S* a b \*\n$/) as string,
    bare: expect.stringMatching(/^[^f\s]* ?a b \*\n$/) as string,
  },
].filter(({ program }) => spawnSync(program, ['-c', ':']).error === undefined)

describe('the first line of a script', () => {
  it.each(LANGUAGES)('finds $name in the moved tree, with and without arguments', (language) => {
    const { program, link, args, body, said, bare } = language
    mkdirSync(join(tree.root, 'embedded/bin'), { recursive: true })
    symlinkSync(program, join(tree.root, 'embedded/bin', link))
    const interpreter = `${tree.root}/embedded/bin/${link}`
    tree.write('embedded/bin/script', `#!${interpreter} ${args}\n${body}`, 0o755)
    tree.write('app/deep/down/script', `#! ${interpreter}\n${body}`, 0o755)
    const { changed, impossible } = relocateTree(tree.root, { from: [tree.root] })
    expect(impossible).toEqual([])
    expect(changed.map((c) => c.path)).toEqual(['app/deep/down/script', 'embedded/bin/script'])
    expect(readFileSync(join(tree.root, 'embedded/bin/script'), 'utf8')).not.toContain(tree.root)
    expect(statSync(join(tree.root, 'embedded/bin/script')).mode & 0o777).toBe(0o755)
    const to = moved()
    expect(run(join(to, 'embedded/bin/script'), 'a b', '*')).toEqual({ status: 0, stdout: said, stderr: '' })
    expect(run(join(to, 'app/deep/down/script'), 'a b', '*')).toEqual({ status: 0, stdout: bare, stderr: '' })
    // Called by a link from elsewhere, as /usr/local/bin does.
    symlinkSync(join(to, 'embedded/bin/script'), join(elsewhere, 'by-link'))
    expect(run(join(elsewhere, 'by-link'), 'a b', '*').stdout).toEqual(said)
  })

  it.each(LANGUAGES)('changes nothing when $name loads the script itself', ({ program, link, body, bare }) => {
    tree.write(`embedded/bin/${link}`, '')
    tree.write('script', `#!${tree.root}/embedded/bin/${link}\n${body}`, 0o755)
    expect(relocateTree(tree.root, { from: [tree.root] }).changed).toHaveLength(1)
    // As a main program, perl itself starts what the first line names: see perlrun(1).
    const load = program.endsWith('perl') ? ['-e', 'do shift'] : []
    expect(run(program, ...load, join(tree.root, 'script'), 'a b', '*')).toEqual({
      status: 0,
      stdout: bare,
      stderr: '',
    })
  })

  it('keeps the docstring, the future and the encoding of Python', () => {
    const place = join(tree.root, 'bin/python3')
    mkdirSync(dirname(place))
    symlinkSync('/usr/bin/python3', place)
    const scripts = {
      doc: '"""What it is."""\nprint(__doc__)\n',
      future: '# comment\nfrom __future__ import annotations\nprint(annotations.compiler_flag > 0)\n',
      latin: '# -*- coding: latin-1 -*-\nprint(ascii("\xe9"))\n',
    }
    for (const [name, body] of Object.entries(scripts))
      tree.write(`bin/${name}`, Buffer.from(`#!${place}\n${body}`, 'latin1'), 0o755)
    relocateTree(tree.root, { from: [tree.root] })
    const to = moved()
    const said = Object.keys(scripts).map((name) => run(join(to, 'bin', name)).stdout)
    expect(said).toEqual(['What it is.\n', 'True\n', "'\\xe9'\n"])
  })

  it('of other interpreters stays, also when its folder only starts alike', () => {
    const scripts = {
      env: '#!/usr/bin/env python3\n',
      sh: '#!/bin/sh\n',
      alike: '#!/opt/shopping/bin/python\n',
      text: '/opt/shop/bin/python\n',
    }
    for (const [name, text] of Object.entries(scripts)) tree.write(name, text, 0o755)
    expect(relocateTree(tree.root, { from: ['/opt/shop'] })).toEqual({ changed: [], impossible: [] })
  })

  it('that pip wrote for a long path is made relative', () => {
    const long = `/opt/shop/${'long/'.repeat(30)}bin/python3`
    mkdirSync(join(tree.root, 'long/'.repeat(30), 'bin'), { recursive: true })
    symlinkSync('/usr/bin/python3', join(tree.root, 'long/'.repeat(30), 'bin/python3'))
    tree.write('bin/tool', `#!/bin/sh\n'''exec' "${long}" "$0" "$@"\n' '''\nprint("ran")\n`, 0o755)
    const [change] = relocateTree(tree.root, { from: ['/opt/shop'] }).changed
    expect(change?.before).toBe(long)
    expect(run(join(moved(), 'bin/tool'))).toEqual({ status: 0, stdout: 'ran\n', stderr: '' })
  })

  it('that a shell would read otherwise is refused by name, and nothing is changed', () => {
    const good = tree.write('bin/a', '#!/opt/shop/bin/perl\nprint 1;\n', 0o755)
    tree.write('bin/b', '#!/opt/shop/bin/perl -e"$(id)"\n', 0o755)
    const before = readFileSync(good, 'utf8')
    expect(() => relocateTree(tree.root, { from: ['/opt/shop'] })).toThrow(
      '"bin/b" cannot be made to find its interpreter: it has characters that a shell would read otherwise',
    )
    expect(readFileSync(good, 'utf8')).toBe(before)
  })

  it('needs an absolute folder to start from', () => {
    writeFileSync(join(tree.root, 'a'), '')
    for (const from of ['opt/shop', '/', '//', '/../..'])
      expect(() => relocateTree(tree.root, { from: [from] })).toThrow('is not an absolute folder')
  })
})
