/** Shells that wait for scripts on a real sshd: a script is the same in one as on a channel of its own. */
import { readdirSync, readFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { parseHostName } from '../../src/names.ts'
import { openTransport } from '../../src/transport/index.ts'
import type { Transport } from '../../src/transport/transport.ts'
import { startStrangers, whyNoStrangers } from '../hosts/strange.ts'
import { SIGNAL } from '../support/bundle.ts'
import { startFleet } from '../support/fleet.ts'
import { describeOverSsh } from '../support/sshd.ts'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

let address = ''
async function open(config: readonly string[] = []): Promise<Transport> {
  const fleet = await startFleet(1, { config })
  closing.push(() => fleet.dispose())
  process.env['SHIP_SSH_CONFIG'] = fleet.sshConfigFile
  address = fleet.hosts[0]?.address ?? ''
  const place = { name: parseHostName('web1'), address: 'web1', deployTo: fleet.dir, transport: 'sftp' } as const
  const transport = await openTransport({ ...place, roles: [], labels: {}, env: {} }, { signal: SIGNAL, busy: true })
  closing.push(() => transport.close())
  return transport
}

function run(transport: Transport, text: string, args: readonly string[] = [], stdin?: Readable) {
  return transport.exec({ name: 'test', text, args }, { signal: SIGNAL, stdin })
}

/** Shells that wait on the host of this test, by what they were told to do. */
function waiting(): string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false
    try {
      const isOurs = readFileSync(`/proc/${pid}/environ`, 'utf8').includes(` ${address} `)
      const told = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      return isOurs && told.startsWith('sh\0') && told.includes('IFS= read -r line || exit 0')
    } catch {
      return false
    }
  })
}

async function ready(): Promise<string[]> {
  await expect.poll(waiting, { timeout: 20_000 }).toHaveLength(3)
  return waiting()
}

describeOverSsh('shells that wait', () => {
  it('take a script with its arguments and input as they are, and tell how it ended', async () => {
    const transport = await open()
    expect((await run(transport, 'echo first')).stdout).toBe('first\n')
    const shells = await ready()
    const args = [`it's`, '"two  words"', '$(touch pwned)', '', '-n', 'a\nb\n', 'back\\slash', 'é', '$nl', '%s']
    const text = '# a line\nprintf "%s|" "$@"\ncat\necho $$ >&2\necho "${line-none} ${nl-none}" >&2\nexit 7'
    const { code, stdout, stderr } = await run(transport, text, args, Readable.from(['of the\ninput']))
    expect({ code, stdout }).toEqual({ code: 7, stdout: `${args.map((a) => `${a}|`).join('')}of the\ninput` })
    const [pid, variables] = stderr.split('\n')
    expect(shells).toContain(pid)
    expect(variables).toBe('none none')
    await ready()
  })

  it('are many enough for calls that come at once, and others get a channel of their own', async () => {
    const transport = await open()
    await run(transport, 'true')
    await ready()
    const all = await Promise.all([1, 2, 3, 4, 5].map((n) => run(transport, 'sleep 0.3; echo "$1"', [String(n)])))
    expect(all.map(({ stdout }) => stdout)).toEqual(['1\n', '2\n', '3\n', '4\n', '5\n'])
    const long = 'x'.repeat(100_000)
    expect((await run(transport, 'printf %s "$1" | wc -c', [long])).stdout.trim()).toBe('100000')
  })

  it('are not counted on: a host that ends them, or allows one at a time, answers all the same', async () => {
    const transport = await open()
    await run(transport, 'true')
    for (const pid of await ready()) process.kill(Number(pid), 'SIGKILL')
    await expect.poll(waiting).toEqual([])
    // Until the server has told of it.
    await sleep(300)
    expect((await run(transport, 'echo here')).stdout).toBe('here\n')
    const narrow = await open(['MaxSessions 1'])
    for (const n of ['1', '2', '3']) expect((await run(narrow, 'echo "$1"', [n])).stdout).toBe(`${n}\n`)
  })

  it('end with the connection', async () => {
    const transport = await open()
    await run(transport, 'true')
    await ready()
    await transport.close()
    await expect.poll(waiting, { timeout: 20_000 }).toEqual([])
  })
})

const lacking = whyNoStrangers()

describe.skipIf(lacking !== undefined)(`other servers${lacking === undefined ? '' : ` (${lacking})`}`, () => {
  it('get no shells that wait: dropbear trips over channels that open while others close', async () => {
    const strangers = await startStrangers({ openssh: {}, dropbear: { server: 'dropbear' } })
    closing.push(() => strangers.dispose())
    process.env['SHIP_SSH_CONFIG'] = strangers.sshConfigFile
    // The pattern is none of itself.
    const look = `for dir in /proc/[0-9]*; do
      grep -qs "HOME=$HOME" "$dir/environ" && grep -qs 'read -r [l]ine || exit 0' "$dir/cmdline" && echo waits
    done; true`
    const found = new Map<string, string>()
    for (const { name } of strangers.hosts) {
      const place = { name: parseHostName(name), address: name, deployTo: '/nowhere', transport: 'sftp' } as const
      const transport = await openTransport(
        { ...place, roles: [], labels: {}, env: {} },
        { signal: SIGNAL, busy: true },
      )
      closing.push(() => transport.close())
      for (let count = 0; count < 40 && !found.get(name); count++) {
        found.set(name, (await run(transport, look)).stdout)
        await sleep(25)
      }
    }
    expect(found.get('openssh')).toContain('waits')
    expect(found.get('dropbear')).toBe('')
  })
})
