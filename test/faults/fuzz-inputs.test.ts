/**
 * What `ssh -G` says and what configurations of ssh hold, versions, ranges, and answers of a host that lies: random, replayable by the seed
 * that a failure names. They are read or refused by name; nothing crashes, hangs, grows without end, or is obeyed by a terminal.
 */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import * as fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { messageOf, ShipError } from '../../src/errors.ts'
import type { HostSession } from '../../src/host/session.ts'
import { shellSession } from '../../src/host/shell/session.ts'
import { newToken, parseHostName } from '../../src/names.ts'
import { resolveOptions } from '../../src/ssh/options.ts'
import type { Transport } from '../../src/transport/transport.ts'
import { BUMPS, bump, compareVersions, isRange, isVersion, newestMatch, parseVersion } from '../../src/version.ts'
import { owner, record } from '../host/kinds.ts'

const LONG = process.env.SHIP_FAULTS === 'long'
/** The same ones in every run but the long ones, which go where nobody was before; SHIP_SEED plays one again. */
const SEED = Number(process.env.SHIP_SEED ?? (LONG ? Date.now() % 1_000_000_000 : 1))
const RUNS = { seed: SEED, numRuns: LONG ? 50_000 : 400, interruptAfterTimeLimit: LONG ? 3_600_000 : 6000 }
const signal = new AbortController().signal
const SLOW = LONG ? 3_700_000 : 180_000

let dir = ''
const path = process.env['PATH'] ?? ''
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'ship-fuzz-'))
  // A fake ssh, that says what is in a file.
  mkdirSync(join(dir, 'bin'))
  writeFileSync(join(dir, 'bin/ssh'), `#!/bin/sh\nexec cat '${join(dir, 'says')}'\n`)
  chmodSync(join(dir, 'bin/ssh'), 0o755)
})
afterAll(() => {
  process.env['PATH'] = path
  rmSync(dir, { recursive: true, force: true })
})

// oxlint-disable-next-line no-control-regex -- control characters are exactly what is looked for
const OBEYED = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/

/** A ShipError that a terminal may show, or undefined; all else is a crash and is thrown. */
async function refusalOf(work: () => unknown): Promise<ShipError | undefined> {
  try {
    await work()
    return undefined
  } catch (error) {
    if (!(error instanceof ShipError)) throw new Error(`a crash: ${messageOf(error)}`, { cause: error })
    const said = [error.message, error.state ?? '', ...error.details, ...error.next].join('\n')
    if (OBEYED.test(said)) throw new Error(`a terminal would obey ${JSON.stringify(said)}`, { cause: error })
    return error
  }
}

const noise = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.constantFrom(
    '\u001b[2J',
    '\0',
    '\r',
    '\u202e',
    '%h %%',
    '$HOME',
    '~',
    '-1',
    '99999999999999999999',
    'none',
    'a b "c',
  ),
)
const keyword = fc.constantFrom(
  ...'hostname port user identityfile identitiesonly identityagent userknownhostsfile globalknownhostsfile'.split(' '),
  ...'proxyjump proxycommand hostkeyalias connecttimeout'.split(' '),
)
const options = fc
  .array(
    fc.oneof(
      fc.tuple(keyword, noise).map((words) => words.join(' ')),
      noise,
    ),
    { maxLength: 12 },
  )
  .map((lines) => lines.join('\n'))

it('what ssh says of a host is used or refused', { timeout: SLOW }, async () => {
  process.env['PATH'] = `${join(dir, 'bin')}:${path}`
  try {
    await fc.assert(
      fc.asyncProperty(options, async (text) => {
        writeFileSync(join(dir, 'says'), text)
        let found
        await refusalOf(async () => (found = await resolveOptions({ address: 'web1' }, {}, signal)))
        if (!found) return
        const { port, hostname, user, connectTimeoutMs } = found as Awaited<ReturnType<typeof resolveOptions>>
        expect(Number.isInteger(port) && port > 0 && port < 65_536).toBe(true)
        expect(connectTimeoutMs).toBeGreaterThan(0)
        expect(connectTimeoutMs).toBeLessThan(2 ** 31)
        expect(`${hostname}${user}`).not.toMatch(OBEYED)
      }),
      RUNS,
    )
  } finally {
    process.env['PATH'] = path
  }
})

it('a configuration of ssh is read by ssh, or refused with its words', { timeout: SLOW }, async () => {
  const file = join(dir, 'config')
  await fc.assert(
    fc.asyncProperty(options, async (text) => {
      writeFileSync(file, text)
      const refused = await refusalOf(() => resolveOptions({ address: 'web1' }, { SHIP_SSH_CONFIG: file }, signal))
      expect(refused === undefined || refused.reason === 'config').toBe(true)
    }),
    { ...RUNS, numRuns: LONG ? 20_000 : 200 },
  )
})

it('versions and ranges are ones or none, in no time', { timeout: SLOW }, async () => {
  const part = fc.oneof(
    noise,
    fc.constantFrom('1.2.3', '>=', '<', '||', ' - ', '^', '~', '*', 'x', '.', '-rc.1', '+b', 'v'),
  )
  const text = fc.array(part, { maxLength: 12 }).map((parts) => parts.join(''))
  const known = ['1.0.0', '1.2.3', '1.2.3-rc.1', '2.0.0+b'].map((version) => parseVersion(version))
  await fc.assert(
    fc.asyncProperty(text, async (input) => {
      await refusalOf(() => {
        const version = parseVersion(input)
        expect(isVersion(version)).toBe(true)
        for (const kind of BUMPS) expect(compareVersions(bump(version, kind), version)).toBeGreaterThan(0)
      })
      const match = isRange(input) ? newestMatch(known, input) : undefined
      expect(match === undefined || known.includes(match)).toBe(true)
    }),
    RUNS,
  )
  const since = performance.now()
  for (const unit of ['>', ' ', '1.', '||', '^1 ', '-', '1.2.3 - ', 'x.']) {
    const long = unit.repeat(200_000 / unit.length)
    await refusalOf(() => parseVersion(long))
    expect(isRange(long) && newestMatch(known, long)).not.toBe('2.0.0')
  }
  expect(performance.now() - since).toBeLessThan(3000)
})

/** A host whose every answer is made of pieces, cut anywhere, with its marker in it. */
function liar(pieces: readonly string[], cut: number): Transport {
  const answer = (marker: string): Buffer[] => {
    const said = Buffer.from(pieces.join('').replaceAll('MARK', marker))
    return [said.subarray(0, cut % (said.length + 1)), said.subarray(cut % (said.length + 1))]
  }
  const name = parseHostName('liar')
  return {
    host: { name, address: 'liar', roles: [], labels: {}, env: {}, deployTo: '/opt/shop', transport: 'sftp' },
    connected: true,
    exec(script, { onStdout, stdin }) {
      stdin?.destroy()
      const chunks = answer(script.args.find((arg) => arg.startsWith('ship-')) ?? '')
      for (const chunk of chunks) onStdout?.(chunk)
      const stdout = Buffer.concat(chunks).toString()
      return Promise.resolve({
        code: 0,
        stdout,
        stderr: pieces.join(''),
        timedOut: false,
        truncated: false,
        durationMs: 1,
      })
    },
    dial: () => Promise.reject(new ShipError('unreachable', 'no')),
    read: () => Promise.resolve(Buffer.from(pieces.join(''))),
    close: () => Promise.resolve(),
  }
}

const QUESTIONS: Readonly<Record<string, (session: HostSession) => Promise<unknown>>> = {
  probe: (session) => session.probe({ sharedFiles: ['a'] }, { signal }),
  lock: (session) => session.lock(owner(), { sharedFiles: [] }, { signal, leaseSeconds: 30 }),
  history: (session) => session.history(10, { signal }),
  drift: (session) => session.drift({ version: parseVersion('1.0.0'), shared: [] }, { signal, depth: 'full' }),
  run: async (session) => {
    const { stdout, stderr } = await session.run(['true'], { signal })
    return { stdout, stderr }
  },
}
const UNDER_LOCK: Readonly<
  Record<string, (session: HostSession, lease: Awaited<ReturnType<HostSession['lock']>>['lease']) => Promise<unknown>>
> = {
  switch: (session, lease) =>
    session.switchTo('releases/1.0.0', lease, {
      signal,
      expected: null,
      record: record(parseVersion('1.0.0'), 'a'.repeat(64)),
    }),
  mark: (session, lease) => session.mark([], undefined, lease, { signal }),
  prune: (session, lease) => session.prune([parseVersion('1.0.0')], lease, { signal }),
  discard: (session, lease) => session.discard(parseVersion('1.0.0'), lease, { signal }),
  unlock: (session, lease) => session.unlock(lease, { signal }),
}

it('a host that lies is believed or refused, whatever it is asked', { timeout: SLOW }, async () => {
  const keys = [
    ...'current dangling record foreign holder owner beat now missing blocked closed apart disk inodes partial'.split(
      ' ',
    ),
    ...'done tool lacks clock uname deb hold other drift kept freed problem said pid end'.split(' '),
  ]
  const key = fc.constantFrom(...keys)
  const json = fc.json({ maxDepth: 3 })
  const value = fc.oneof(
    noise,
    json,
    fc.constantFrom('ok', 'locked', 'moved', 'write', 'link releases/1.0.0', 'installed 1'),
  )
  const frame = fc.tuple(key, value).map(([a, b]) => `MARK ${a} ${b}\n`)
  const broken = fc.constantFrom(
    'MARK',
    'MARK end',
    'MARK end ok',
    '\nMARK end ok \n',
    'MARK end ok \n',
    'ship-00 end ok\n',
  )
  const pieces = fc.array(fc.oneof({ weight: 4, arbitrary: frame }, noise, broken), { maxLength: 14 })
  const questions = [...Object.keys(QUESTIONS), ...Object.keys(UNDER_LOCK)]
  const examples = questions.flatMap((question) =>
    keys.map((word): [string[], number, string] => [[`MARK ${word} \u001b[2J\n`, 'MARK end ok \n'], 0, question]),
  )
  const name = fc.constantFrom(...questions)
  await fc.assert(
    fc.asyncProperty(pieces, fc.nat(), name, async (said, cut, question) => {
      let answer: unknown
      const asked = async (): Promise<void> => {
        const plain = QUESTIONS[question]
        if (plain) answer = await plain(shellSession(liar(said, cut)))
        else {
          const honest = liar(['MARK end ok \n'], 0)
          const session = shellSession({ ...honest, exec: (...args) => now.exec(...args) })
          let now = honest
          const { lease } = await session.lock(
            { ...owner(), token: newToken() },
            { sharedFiles: [] },
            { signal, leaseSeconds: 30 },
          )
          now = liar(said, cut)
          answer = await UNDER_LOCK[question]?.(session, lease)
          await session.close()
        }
      }
      await refusalOf(asked)
      // What a program says is its own, and is escaped by who shows it.
      expect(question === 'run' ? '' : shown(answer)).not.toMatch(OBEYED)
    }),
    { ...RUNS, numRuns: LONG ? 50_000 : 2000, examples },
  )
})

/** All texts in a value, but those that only name what was asked for. */
function shown(value: unknown): string {
  if (typeof value === 'string') return value
  if (value instanceof Set || value instanceof Map || Array.isArray(value)) return [...value].map(shown).join('\n')
  if (value instanceof Readable || typeof value !== 'object' || value === null) return ''
  return Object.values(value).map(shown).join('\n')
}
