/** Python and its apps: what comes out of a build runs, from another prefix, with an empty environment, out of its own libraries. */
import { execFileSync } from 'node:child_process'
import { hash } from 'node:crypto'
import { readFileSync, writeFileSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseRequirements } from '../../src/build/requirements.ts'
import { freePort, get, HAS_APT, mapped, place, run, snapshot, start, type Place } from './place.ts'
import { greetingWheel, makeWheel } from './wheel.ts'

const LOOKS = `
import _ctypes, _hashlib, bz2, ctypes, curses, dbm.ndbm, hashlib, json, lzma, readline, sqlite3, ssl, sys, uuid, zlib
maps = {line.rstrip('\\n').split(None, 5)[-1] for line in open('/proc/self/maps') if '.so' in line or 'python' in line}
numbers = sqlite3.connect(':memory:').execute('select 6 * 7').fetchone()
print(json.dumps({'prefix': sys.prefix, 'path': sys.path, 'maps': sorted(maps), 'numbers': numbers, 'random': ctypes.CDLL(None).rand() >= 0,
  'tls': ssl.create_default_context().verify_mode.name, 'zip': zlib.decompress(zlib.compress(b'x' * 99)).decode() == 'x' * 99,
}))
`

interface Looked {
  readonly prefix: string
  readonly path: readonly string[]
  readonly maps: readonly string[]
  readonly numbers: readonly number[]
}

describe.skipIf(!HAS_APT)('python, from Debian packages (needs apt-get)', () => {
  let project: Place
  let tree = ''
  beforeAll(async () => {
    project = place()
    project.write({
      'recipes/looks.js': `export default { name: 'looks', summary: '', dependencies: ['python'], async build(step) {
  await step.copy({ from: 'looks.py', to: 'looks.py' })
  await step.bin('looks', { run: ['embedded/bin/python3', 'app/looks.py'] })
} }`,
      'looks.py': LOOKS,
    })
    project.configure({ recipe: 'looks', layout: 'omnibus' })
    await project.build()
    tree = project.unpack()
  })
  afterAll(() => project.dispose())

  it('is the same when it is made anew, without a network', () => {
    expect(project.buildOffline('--locked --check-repro')).toContain('built app 1.0.0')
  })

  it('imports all that needs a library out of the tree, wherever the tree is', () => {
    const looked = JSON.parse(run(tree, ['bin/looks'])) as Looked
    expect(looked).toMatchObject({
      prefix: join(tree, 'embedded'),
      numbers: [42],
      random: true,
      zip: true,
      tls: 'CERT_REQUIRED',
    })
    for (const name of [
      'libssl',
      'libcrypto',
      'libsqlite3',
      'libz',
      'libffi',
      'libbz2',
      'liblzma',
      'libreadline',
      'libtinfo',
    ])
      expect(
        looked.maps.filter((file) => file.includes(`/${name}.`)),
        name,
      ).toEqual([expect.stringContaining(`${tree}/embedded/lib/`)])
    const foreign = looked.maps.filter((file) => !file.startsWith(`${tree}/`))
    expect(
      foreign.filter((file) => !/\/(?:ld-linux-[^/]+|libc|libm|libcrypt|libpthread|libdl)\.so\.\d+$/.test(file)),
    ).toEqual([])
    expect(looked.path.filter((folder) => !folder.startsWith(`${tree}/`))).toEqual([])
  })

  it('is compiled: running it changes no file', () => {
    const before = snapshot(tree)
    run(tree, ['bin/looks'])
    run(tree, [
      'embedded/bin/python3',
      '-c',
      'import asyncio, http.server, email, xml.dom.minidom, unittest, multiprocessing.pool',
    ])
    expect(snapshot(tree)).toBe(before)
    const text = readFileSync(join(tree, 'embedded/lib/python3.11/__pycache__/os.cpython-311.pyc'))
    // Flags: by hash, and not checked (PEP 552).
    expect(text.readUInt32LE(4)).toBe(1)
    expect(text.includes('embedded/lib/python3.11/os.py')).toBe(true)
  })

  it('names its packages, with the licence of each', () => {
    const components = project.components()
    expect(components.find((c) => c.name === 'python')).toMatchObject({
      version: expect.stringMatching(/^3\.\d+\.\d+/),
      license: 'PSF-2.0',
    })
    expect(components.find((c) => c.name === 'libssl3')).toMatchObject({
      version: expect.stringMatching(/^3\./),
      purl: expect.stringMatching(/^pkg:deb\/debian\/libssl3@3[^?]*\?arch=(?:amd64|arm64)$/),
      digest: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
    })
    const licences = project.entries().filter((path) => path.startsWith('LICENSES/'))
    expect(licences).toEqual(
      expect.arrayContaining(['LICENSES/python-libssl3-copyright', 'LICENSES/python-python3.11-copyright']),
    )
    expect(licences.filter((path) => path.includes('patchelf'))).toEqual([])
    expect(components.filter((c) => c.name === 'patchelf')).toEqual([])
  })
})

describe.skipIf(!HAS_APT)('python-app with its interpreter (needs apt-get)', () => {
  let project: Place
  let tree = ''
  beforeAll(async () => {
    project = place('python-app')
    await project.build()
    tree = project.unpack()
  })
  afterAll(() => project.dispose())

  it('runs the programs of pyproject.toml, and those of its packages', async () => {
    expect(run(tree, ['bin/shop'])).toBe('hello world\n')
    expect(run(tree, ['bin/shop', 'a b', '$c'])).toBe('hello a b and $c\n')
    // The program of a package names no folder of the machine that built it.
    expect(readFileSync(join(tree, 'app/site-packages/bin/greeting'), 'utf8')).toMatch(
      /^#!\/bin\/sh\n'''exec' \/usr\/bin\/env python3 |^#!\/usr\/bin\/env python3\n/,
    )
    const port = await freePort()
    const server = start(tree, ['bin/shop', 'serve', String(port)])
    try {
      expect(await (await get(`http://127.0.0.1:${port}/pages`)).text()).toBe('hello /pages\n')
      expect(mapped(server.pid)[0]).toMatch(`${tree}/embedded/bin/python3.`)
    } finally {
      await server.end()
    }
  })

  it('writes nothing while it runs, and sees a change of its own files', () => {
    const before = snapshot(tree)
    expect(run(tree, ['bin/shop'])).toBe('hello world\n')
    expect(snapshot(tree)).toBe(before)
    const other = project.unpack()
    const file = join(other, 'app/site-packages/greeting.py')
    writeFileSync(file, readFileSync(file, 'utf8').replace('"hello "', '"howdy "'))
    expect(run(other, ['bin/shop'])).toBe('howdy world\n')
  })

  it('has its packages as components, and ships no wheels', () => {
    expect(project.components().find((c) => c.name === 'greeting')).toEqual({
      name: 'greeting',
      version: '1.2.0',
      license: 'MIT',
      purl: 'pkg:pypi/greeting@1.2.0',
    })
    expect(project.entries().filter((path) => path.endsWith('.whl') || path.includes('README'))).toEqual([])
    expect(project.entries()).toContain('LICENSES/shop-LICENSE')
  })

  it('is built again without a network, from the lock and what was fetched', () => {
    expect(project.buildOffline('--locked')).toContain('built shop 1.0.0')
    expect(project.buildOffline('--locked --json')).toContain('"outcome":"kept"')
  })

  it('as processes of a Procfile', async () => {
    const app = place('python-app')
    app.write({ Procfile: 'web: shop serve $PORT\nhello: shop\ntool: greeting\n' })
    app.configure({ recipe: 'procfile' })
    await app.build()
    const at = app.unpack()
    expect(run(at, ['bin/tool'])).toBe('hello greeting\n')
    const port = await freePort()
    const server = start(at, ['bin/web'], { PORT: String(port) })
    expect(await (await get(`http://127.0.0.1:${port}/x`)).text()).toBe('hello /x\n')
    await server.end()
    app.dispose()
  })
})

describe('python-app without an interpreter', () => {
  it('runs with the Python of the host, and for packages in pure Python on any platform', async () => {
    const project = place('python-app')
    project.configure({ layout: 'plain' })
    await project.build('--check-repro')
    const tree = project.unpack()
    expect(run(tree, ['bin/shop', 'you'], { PATH: process.env['PATH'] ?? '' })).toBe('hello you\n')
    expect(project.entries().filter((path) => path.includes('__pycache__') || path.startsWith('embedded'))).toEqual([])
    expect(readFileSync(join(project.dir, 'dist/shop-1.0.0.manifest.json'), 'utf8')).toContain('"platform":"any"')
    project.configure({ bin: { shop: 'start.py', function: 'shop.cli:main' } })
    project.write({ 'start.py': 'import sys\nfrom shop.cli import greet\nprint(greet("start", *sys.argv[1:]))\n' })
    await project.build()
    const other = project.unpack()
    const before = snapshot(other)
    expect(run(other, ['bin/shop', 'x'], { PATH: process.env['PATH'] ?? '' })).toBe('hello start and x\n')
    expect(run(other, ['bin/function', 'x'], { PATH: process.env['PATH'] ?? '' })).toBe('hello x\n')
    // A release in which anything was written would be refused as a way back.
    expect(snapshot(other)).toBe(before)
    project.dispose()
  })

  it('takes nothing that is not locked', async () => {
    const project = place('python-app')
    project.configure({ layout: 'plain' })
    const good = readFileSync(join(project.dir, 'requirements.txt'), 'utf8')
    const refused = async (files: Readonly<Record<string, string>>): Promise<string> => {
      project.write(files)
      const { stderr } = await project.build('', 3)
      expect(existsSync(join(project.dir, 'dist'))).toBe(false)
      return stderr
    }
    const open = await refused({ 'requirements.txt': '# mine\ngreeting>=1\n' })
    expect(open).toContain('requirements.txt:2: "greeting>=1" has no version of its own')
    expect(open).toContain('pip-compile --generate-hashes -o requirements.txt requirements.in')
    expect(await refused({ 'requirements.txt': `greeting==1.2.0 --hash=sha256:${'0'.repeat(64)}\n` })).toContain(
      'THESE PACKAGES DO NOT MATCH THE HASHES',
    )
    project.write({ 'requirements.txt': good })
    const text = readFileSync(join(project.dir, 'pyproject.toml'), 'utf8')
    expect(
      await refused({ 'pyproject.toml': text.replace('"greeting>=1"', '"greeting>=1", "Other_Thing"') }),
    ).toContain('pyproject.toml needs Other_Thing, and requirements.txt does not lock it')
    project.write({ 'pyproject.toml': text })
    project.configure({ exclude: ['requirements.txt'] })
    expect((await project.build('', 3)).stderr).toContain('requirements.txt is left out by build.exclude')
    project.dispose()
  })

  it('refuses a lock that misses what a package needs', async () => {
    const project = place('python-app')
    const greedy = makeWheel('greedy', '1.0.0', { 'greedy.py': '' }, { metadata: ['Requires-Dist: absent>=2'] })
    const good = readFileSync(join(project.dir, 'requirements.txt'), 'utf8')
    project.write({ 'requirements.txt': `${good}greedy==1.0.0 --hash=sha256:${greedy.sha256}\n` })
    writeFileSync(join(project.dir, 'wheels', greedy.file), greedy.bytes)
    project.configure({ layout: 'plain' })
    expect((await project.build('', 3)).stderr).toMatch(/absent>=2/)
    project.dispose()
  })

  it('runs nothing of a package: one without a wheel is refused, with the command that makes one', async () => {
    const project = place('python-app')
    const ran = join(project.dir, 'ran')
    project.write({ 'sly-1.0.0/setup.py': `open(${JSON.stringify(ran)}, 'w')\n`, 'sly-1.0.0/PKG-INFO': 'Name: sly\n' })
    execFileSync('tar', ['-czf', 'wheels/sly-1.0.0.tar.gz', 'sly-1.0.0'], { cwd: project.dir })
    const digest = hash('sha256', readFileSync(join(project.dir, 'wheels/sly-1.0.0.tar.gz')))
    const good = readFileSync(join(project.dir, 'requirements.txt'), 'utf8')
    project.write({ 'requirements.txt': `--no-index\n${good}sly==1.0.0 --hash=sha256:${digest}\n` })
    project.configure({ layout: 'plain' })
    const { stderr } = await project.build('', 3)
    expect(stderr).toContain('"sly==1.0.0" is not to be had as a wheel')
    expect(stderr).toContain('pip wheel --no-deps -w wheels sly==1.0.0')
    expect(existsSync(ran)).toBe(false)
    project.dispose()
  })

  it('has a wheel that its script makes', () => {
    const { file, bytes } = greetingWheel()
    expect(readFileSync(join(import.meta.dirname, '../../fixtures/python-app/wheels', file)).equals(bytes)).toBe(true)
  })
})

describe('requirements.txt', () => {
  const digest = `--hash=sha256:${'a'.repeat(64)}`

  it('is read as pip reads it', () => {
    const text = `# locked\r\n--index-url https://example.org/simple\r\nflask[async]==3.0.0 \\\r\n    ${digest} \\\n    ${digest}\n  # via shop\nZope.Interface==6.0 ; python_version < "4" ${digest}\nown @ https://example.org/own.whl ${digest}\n`
    expect(parseRequirements(text)).toEqual([
      { name: 'flask', version: '3.0.0' },
      { name: 'zope-interface', version: '6.0' },
      { name: 'own', version: undefined },
    ])
  })

  it.each([
    ['flask', 'has no version of its own'],
    ['flask==3.*', 'has no version of its own'],
    [`flask>=3 ${digest}`, 'has no version of its own'],
    ['flask==3.0.0', 'has no --hash'],
    ['flask==3.0.0 --hash=md5:00000000000000000000000000000000', 'has no'],
    [`-e . ${digest}`, 'is a folder or file'],
    ['./wheels/x.whl', 'is a folder or file'],
    ['-r other.txt', 'names another file'],
    ['--constraint other.txt', 'names another file'],
    ['--trusted-host example.org', 'has no version of its own'],
  ])('%s is refused: %s', (line, why) => {
    expect(() => parseRequirements(`a==1 ${digest}\n\n${line}\n`)).toThrow(
      expect.objectContaining({ details: [expect.stringMatching(new RegExp(`^requirements\\.txt:3: .*${why}`))] }),
    )
  })
})
