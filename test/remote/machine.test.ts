/**
 * One interface for this machine and any host: the same promises over SSH under dash, bash and BusyBox, and here. The hosts are real
 * sshd whose `sh` and tools are those of their kind; BusyBox's has nothing else.
 */
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { HostError } from '../../src/host-error.ts'
import { connect, local, ShipError, type Machine } from '../../src/index.ts'
import { startFleet, type Fleet } from '../support/fleet.ts'
import { describeOverSsh } from '../support/sshd.ts'

interface Kind {
  readonly name: string
  /** Makes the folder of programs that a host of this kind has; undefined: this machine as it is, without SSH. */
  readonly programs?: (folder: string) => string
}

const KINDS: readonly Kind[] = [
  { name: 'this machine' },
  { name: 'dash over SSH', programs: (folder) => withShell(folder, '/usr/bin/dash') },
  { name: 'bash over SSH', programs: (folder) => withShell(folder, '/bin/bash') },
  { name: 'BusyBox over SSH', programs: busybox },
]

function withShell(folder: string, shell: string): string {
  symlinkSync(shell, join(folder, 'sh'))
  return `${folder}:/usr/bin:/bin`
}

function busybox(folder: string): string {
  execFileSync('busybox', ['--install', '-s', folder])
  return folder
}

const HOSTILE = [
  '',
  ' ',
  'two  words',
  "it's",
  '"double"',
  `both ' and "`,
  '$(touch pwned)',
  '`touch pwned`',
  '${HOME}',
  '$HOME',
  '; touch pwned',
  '&& touch pwned',
  '| touch pwned',
  '> pwned',
  '\n touch pwned\n',
  'a\nb\n\n',
  '\\',
  '\\n',
  '*',
  '?',
  '[a-z]*',
  '~',
  '~root',
  '-n',
  '--',
  '-rf',
  '#no comment',
  '!!',
  '{a,b}',
  '\t',
  '\r',
  "'; touch pwned; '",
  '"; touch pwned; "',
  'a[$(touch pwned)]',
  'grüße €',
  '\u{1f6a2}',
  '\u0001\u007f',
  '%s%n',
  'ship_1',
  '$ship_1',
]

let dir = ''
beforeAll(() => void (dir = mkdtempSync(join(tmpdir(), 'ship-machine-'))))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

describe.for(KINDS.filter((kind) => !kind.programs))('$name', conformance)
describeOverSsh.for(KINDS.filter((kind) => kind.programs))('$name', conformance)

/** The error that something rejects with. */
async function errorOf(work: Promise<unknown>): Promise<HostError> {
  try {
    await work
  } catch (error) {
    if (error instanceof HostError) return error
    throw error
  }
  throw new Error('it did not fail')
}

/** Processes of this machine whose command line holds a word. */
function processes(word: string): string[] {
  return readdirSync('/proc').filter((name) => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0').includes(word)
    } catch {
      return false
    }
  })
}

function conformance({ programs }: Kind): void {
  let fleet: Fleet | undefined
  let host: Machine
  let folder = ''
  beforeAll(async () => {
    if (!programs) {
      host = local()
      return
    }
    const tools = mkdtempSync(join(dir, 'programs-'))
    fleet = await startFleet(1, { config: [`SetEnv PATH=${programs(tools)} SHLVL=2`] })
    process.env['SHIP_SSH_CONFIG'] = fleet.sshConfigFile
    host = await connect('web1')
  })
  afterAll(async () => {
    await host.close()
    await fleet?.dispose()
  })
  beforeEach(() => void (folder = mkdtempSync(join(dir, 'a folder '))))

  it('gives each value as one argument, whatever it holds', async () => {
    const each = HOSTILE.map(async (value) => {
      const { stdout } = await host.run({
        cwd: folder,
      })`printf '<%s>' a ${value} b=${value} "in ${value}" 'single ${value}'`
      expect(stdout).toBe(`<a><${value}><b=${value}><in ${value}><single ${value}>`)
    })
    await Promise.all(each)
    const all = await host.run({ cwd: folder })`printf '<%s>' ${HOSTILE}`
    expect(all.stdout).toBe(HOSTILE.map((value) => `<${value}>`).join(''))
    const argv = await host.run(['printf', '<%s>', ...HOSTILE], { cwd: folder })
    expect(argv.stdout).toBe(all.stdout)
    expect(readdirSync(folder)).toEqual([])
  })

  it('spreads lists, an empty one to nothing, and keeps values where functions have arguments of their own', async () => {
    const { stdout } = await host.run`printf '<%s>' ${['a b', 'c']} ${[]} ${1} ${true}`
    expect(stdout).toBe('<a b><c><1><true>')
    const inFunction =
      await host.run`say() { printf '<%s>' "$1" ${'value'}; }; say own; set -- x; say ${'other'}; printf '%s' "$#"`
    expect(inFunction.stdout).toBe('<own><value><other><value>1')
    const nested = await host.run`printf '<%s>' "$(printf '%s' ${'a  b'})" $(printf '%s' "${'c'}") # it's ${'not'} read`
    expect(nested.stdout).toBe('<a  b><c>')
  })

  it('tells output by lines as it comes, of both streams, and keeps it', async () => {
    const lines: string[] = []
    const onOutput = (line: string, stream: string): void => void lines.push(`${stream}: ${line}`)
    const running = host.run({ onOutput })`echo one; echo two >&2; sleep 1; printf 'three\nfo'; sleep 0.2; printf 'ur'`
    await expect.poll(() => lines.toSorted(), { timeout: 900 }).toEqual(['stderr: two', 'stdout: one'])
    const { stdout, stderr, code, truncated } = await running
    expect(lines.slice(2)).toEqual(['stdout: three', 'stdout: four'])
    expect({ stdout, stderr, code, truncated }).toEqual({
      stdout: 'one\nthree\nfour',
      stderr: 'two\n',
      code: 0,
      truncated: false,
    })
    const cut = await host.run({ maxOutputBytes: 10 })`printf '0123456789abc'`
    expect(cut).toMatchObject({ stdout: '0123456789', truncated: true })
  })

  it('runs in a folder, with an environment and an input', async () => {
    writeFileSync(join(folder, 'here'), '')
    const env = { NAME: "it's\ntwo lines\n", EMPTY: '', name: '$(touch pwned)', text: 'x', DIR: 'd' }
    const script = 'ls; printf "<%s>" "$NAME" "$EMPTY" "$name" "$text" "$DIR"; cat; env | grep -c ^ship_'
    const { stdout } = await host.run(['sh', '-c', script], { cwd: folder, env, stdin: 'fed\n', check: false })
    expect(stdout).toBe(`here\n<it's\ntwo lines\n><><$(touch pwned)><x><d>fed\n0\n`)
    const streamed = await host.run({ stdin: Readable.from(['a', Buffer.from('b')]) })`cat`
    expect(streamed.stdout).toBe('ab')
    const big = Buffer.alloc(3_000_000, 'x')
    expect((await host.run({ stdin: big, env })`wc -c`).stdout.trim()).toBe('3000000')
    expect((await host.run`cat`).stdout).toBe('')
  })

  it('shows no setting in the list of processes, and masks secrets', async () => {
    const lines: string[] = []
    const secrets = { TOKEN: 'tok-4711-secret' }
    const options = { secrets, onOutput: (line: string): void => void lines.push(line) }
    const running = host.run(options)`echo "a $TOKEN b"; sleep 1; exit 3`
    await expect.poll(() => lines).toEqual(['a *** b'])
    const shown = readdirSync('/proc').filter((name) => {
      try {
        return readFileSync(`/proc/${name}/cmdline`, 'utf8').includes(secrets.TOKEN)
      } catch {
        return false
      }
    })
    expect(shown).toEqual([])
    const error = await errorOf(running)
    expect(`${error.message} ${error.details.join(' ')}`).not.toContain(secrets.TOKEN)
    expect(error.details).toEqual(['a *** b'])
    const named = await errorOf(host.run({ secrets })`false ${secrets.TOKEN}`)
    expect(named.message).toBe('"false ***" ended with exit code 1')
  })

  it('tells each failure by its kind', async () => {
    const exit = await errorOf(host.run`echo before; echo why >&2; exit 3`)
    expect(exit).toMatchObject({
      kind: 'exit',
      result: { code: 3, stdout: 'before\n', stderr: 'why\n' },
      details: ['why'],
    })
    expect(exit).toBeInstanceOf(ShipError)
    expect(await errorOf(host.run(['no-such-program', 'x']))).toMatchObject({
      kind: 'no-such-command',
      message: 'there is no command "no-such-program"',
    })
    expect(await errorOf(host.run`no-such-program x`)).toMatchObject({
      kind: 'no-such-command',
      message: 'there is no command "no-such-program"',
    })
    expect(await errorOf(host.run(['sh', '-c', 'exit 127']))).toMatchObject({ kind: 'exit' })
    writeFileSync(join(folder, 'file'), '')
    expect(await errorOf(host.run({ cwd: join(folder, 'none') })`true`)).toMatchObject({
      kind: 'bad-folder',
      message: `the folder "${folder}/none" does not exist`,
    })
    expect(await errorOf(host.run(['true'], { cwd: join(folder, 'file') }))).toMatchObject({
      kind: 'bad-folder',
      message: `the folder "${folder}/file" is no folder`,
    })
    expect(await errorOf(host.run`kill -KILL $$`)).toMatchObject({
      kind: 'signal',
      result: { code: null, signal: 'SIGKILL' },
    })
    expect(await host.run({ check: false })`exit 9`).toMatchObject({ code: 9 })
    expect(await host.run({ check: false })`kill -TERM $$`).toMatchObject({ code: null, signal: 'SIGTERM' })
    expect(host.connected).toBe(true)
  })

  it('ends what runs too long, with all it started, and keeps what it said on its way out', async () => {
    const mark = `${Date.now() % 100_000}.17`
    const running = host.run({
      timeoutMs: 700,
    })`trap 'echo bye; exit 0' TERM; echo hello; sh -c ${`sleep ${mark}; true`} & sleep ${mark} & wait`
    const error = await errorOf(running)
    expect(error).toMatchObject({ kind: 'timeout', result: { timedOut: true } })
    expect(error.message).toContain('was still running after 0.7 s and was ended')
    expect(error.result.stdout).toBe('hello\nbye\n')
    expect(processes(mark)).toEqual([])
    const stubborn = `${Date.now() % 100_000}.18`
    const deaf = await errorOf(
      host.run({ timeoutMs: 500 })`trap '' TERM; sleep ${stubborn}; sleep ${stubborn}; sleep ${stubborn}`,
    )
    expect(deaf.kind).toBe('timeout')
    // What was killed may take a moment to be gone.
    await expect.poll(() => processes(stubborn)).toEqual([])
  })

  it('ends what is not wanted any more, even before it has begun', async () => {
    const mark = `${Date.now() % 100_000}.19`
    const reason = new Error('enough')
    for (const afterMs of [0, 400]) {
      const controller = new AbortController()
      const work = host.run({ signal: controller.signal })`sleep ${mark}; touch ${join(folder, 'pwned')}`
      setTimeout(() => controller.abort(reason), afterMs)
      await expect(work).rejects.toBe(reason)
      expect(processes(mark)).toEqual([])
    }
    expect(readdirSync(folder)).toEqual([])
    await expect(host.run({ signal: AbortSignal.abort(reason) })`touch ${join(folder, 'x')}`).rejects.toBe(reason)
    expect(readdirSync(folder)).toEqual([])
  })

  it('runs many at once over its connection', async () => {
    const all = await Promise.all(Array.from({ length: 40 }, (_, i) => host.run`sleep 0.1; echo ${i}`))
    expect(all.map((result) => result.stdout.trim())).toEqual(Array.from({ length: 40 }, (_, i) => String(i)))
  })

  it('has options of its own by with()', async () => {
    const there = host.with({ cwd: folder, env: { A: '1', B: '1' } }).with({ env: { B: '2' } })
    expect((await there.run`pwd -P; echo "$A$B"`).stdout).toBe(`${execFileSync('realpath', [folder]).toString()}12\n`)
    expect((await there.run({ env: { A: '3' } })`echo "$A$B"`).stdout).toBe('32\n')
  })

  describe('files', () => {
    it('are written and read byte by byte, under any name', async () => {
      const bytes = Buffer.from(Array.from({ length: 70_000 }, (_, i) => (i * 7) % 256))
      for (const name of ['-n', '--', '$(touch pwned)', ' a  b ', '\n', '\\', '*', '~', "'", '"', 'grüße']) {
        const path = join(folder, name)
        await host.write(path, bytes)
        expect(readFileSync(path).equals(bytes)).toBe(true)
        expect((await host.read(path)).equals(bytes)).toBe(true)
      }
      await host.write(join(folder, 'empty'), '')
      expect((await host.read(join(folder, 'empty'))).length).toBe(0)
      expect(readdirSync(folder).filter((name) => name.startsWith('.ship'))).toEqual([])
    })

    it('keep their mode unless one is given, and a link keeps leading where it led', async () => {
      const path = join(folder, 'file')
      await host.write(path, 'a')
      expect(statSync(path).mode & 0o777).toBe(0o644)
      chmodSync(path, 0o600)
      symlinkSync('file', join(folder, 'link'))
      await host.write(join(folder, 'link'), 'b')
      expect(lstatSync(join(folder, 'link')).isSymbolicLink()).toBe(true)
      expect(readFileSync(path, 'utf8')).toBe('b')
      expect(statSync(path).mode & 0o777).toBe(0o600)
      await host.write(path, 'c', { mode: 0o755 })
      expect(statSync(path).mode & 0o777).toBe(0o755)
    })

    it('are replaced in one step: a reader sees the old content or the new', async () => {
      const path = join(folder, 'file')
      const contents = ['a', 'b'].map((letter) => letter.repeat(300_000))
      await host.write(path, contents[0] ?? '')
      const reading = new AbortController()
      const seen = new Set<string>()
      const reader = (async () => {
        while (!reading.signal.aborted) {
          const text = readFileSync(path, 'utf8')
          seen.add(`${text.length} ${text[0]} ${text.at(-1)}`)
          await sleep(1)
        }
      })()
      for (const content of [...contents, ...contents]) await host.write(path, content)
      reading.abort()
      await reader
      expect([...seen].toSorted().filter((s) => s !== '300000 a a' && s !== '300000 b b')).toEqual([])
    })

    it('that do not arrive whole change nothing', async () => {
      const path = join(folder, 'file')
      await host.write(path, 'old')
      const source = join(folder, 'source')
      writeFileSync(source, 'x'.repeat(100_000))
      // It shrinks between the look at its size and its sending: what arrives is not what was announced.
      const upload = host.upload(source, path)
      writeFileSync(source, 'short')
      expect(await errorOf(upload)).toMatchObject({ kind: 'file', message: `"${path}" did not arrive whole` })
      expect(readFileSync(path, 'utf8')).toBe('old')
      expect(readdirSync(folder).toSorted()).toEqual(['file', 'source'])
    })

    it('go up and come down whole, with their mode', async () => {
      const here = join(folder, 'here')
      writeFileSync(here, Buffer.alloc(2_000_000, 'z'), { mode: 0o640 })
      chmodSync(here, 0o640)
      await host.upload(here, join(folder, 'there'))
      expect(statSync(join(folder, 'there')).mode & 0o777).toBe(0o640)
      await host.download(join(folder, 'there'), join(folder, 'back'))
      expect(readFileSync(join(folder, 'back')).equals(readFileSync(here))).toBe(true)
      expect(statSync(join(folder, 'back')).mode & 0o777).toBe(0o640)
      expect(readdirSync(folder).toSorted()).toEqual(['back', 'here', 'there'])
    })

    it('that cannot be are named with the reason', async () => {
      mkdirSync(join(folder, 'sub'))
      const problems = await Promise.all(
        [
          host.read(join(folder, 'none')),
          host.read(folder),
          host.read('/proc/self/status', { maxBytes: 10 }),
          host.write(join(folder, 'sub'), 'x'),
          host.write(join(folder, 'none/file'), 'x'),
          host.write('/dev/null', 'x'),
          host.upload(join(folder, 'none'), join(folder, 'x')),
          host.upload(join(folder, 'sub'), join(folder, 'x')),
          host.download(join(folder, 'none'), join(folder, 'x')),
          host.download('/etc/passwd', join(folder, 'none/x')),
        ].map((work) => errorOf(work)),
      )
      expect(
        problems.map(
          (error) => `${error.kind}: ${error.message.replaceAll(folder, 'F').replace(/ENOENT.*/, 'ENOENT')}`,
        ),
      ).toEqual([
        'file: "F/none" does not exist',
        'file: "F" is a folder',
        'file: "/proc/self/status" is larger than 10 bytes',
        'file: "F/sub" is a folder',
        'file: "F/none/file" lies in a folder that does not exist',
        'file: "/dev/null" is no file',
        'file: "F/none" could not be read on this machine: ENOENT',
        'file: "F/sub" is no file',
        'file: "F/none" does not exist',
        'file: "F/none/x" could not be written on this machine: ENOENT',
      ])
      expect(readdirSync(folder)).toEqual(['sub'])
      expect(statSync('/dev/null').isCharacterDevice()).toBe(true)
    })

    it('exist or do not', async () => {
      symlinkSync('nowhere', join(folder, 'dangling'))
      const names = ['', 'dangling', 'none', '$(touch pwned)']
      expect(await Promise.all(names.map((name) => host.exists(join(folder, name))))).toEqual([
        true,
        true,
        false,
        false,
      ])
      expect(existsSync(join(folder, 'pwned'))).toBe(false)
      expect((await host.read('/proc/version')).toString()).toContain('Linux')
    })
  })
}
