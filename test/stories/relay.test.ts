/** Payloads by way of a relay: over the client's line once, and by the relay's own ssh to the hosts behind it. */
import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { describeOverSsh } from '../support/sshd.ts'
import { makePlace, type Place } from './place.ts'

let place: Place
beforeAll(async () => {
  place = await makePlace(4)
})
afterAll(() => place.dispose())
beforeEach(() => place.fresh())

/** web4 is the relay of the others. All are this machine, so what its ssh knows comes from a file of its own. */
async function configure(relaySshConfig: string): Promise<void> {
  const [relay] = place.fleet.hosts.slice(3)
  const hosts = place.fleet.hosts.slice(0, 3).map(({ name }, i) => ({ host: name, deployTo: place.deployTo[i] }))
  await place.configure({ relay: relay?.name, relaySshConfig }, { environments: { production: { hosts } } })
}

async function release(code = 0) {
  const result = await place.ship('release --json')
  expect({ code: result.code, said: result.code === code ? '' : result.stdout }).toEqual({ code, said: '' })
  return result.stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
}

const live = (): string[] =>
  place.deployTo.slice(0, 3).map((dir) => readFileSync(join(dir, 'current', 'VERSION'), 'utf8').trim())

/** What lies on the relay, whose user is the one who runs this. */
function left(): string[] {
  const folder = join(homedir(), '.cache/ship-relay')
  return existsSync(folder) ? readdirSync(folder) : []
}

describeOverSsh('a relay', () => {
  it('gets a payload once, and brings it to every host, where it is checked as ever', async () => {
    await configure(place.fleet.sshConfigFile)
    const before = left()
    const noise = randomBytes(2_500_000).toString('base64')
    await place.build('1.0.0', { noise })
    const events = await release()
    expect(live()).toEqual(['1.0.0', '1.0.0', '1.0.0'])
    const ended = events.filter((e) => e.event === 'step.finished')
    expect(ended.filter((e) => e.step === 'relay').map((e) => e.note)).toEqual([
      expect.stringMatching(/^\d\.\d MB sent, once for all hosts$/),
    ])
    expect(ended.filter((e) => e.step === 'stage').map((e) => e.note)).toEqual(
      ['web1', 'web2', 'web3'].map(() => expect.stringMatching(/^\d\.\d MB sent by way of web4$/)),
    )
    // Nothing of it went over the lines to the hosts themselves.
    expect(events.filter((e) => e.event === 'step.progress' && e.step === 'stage')).toEqual([])
    for (const dir of place.deployTo.slice(0, 3)) expect(readdirSync(join(dir, '.ship/incoming'))).toEqual([])
    expect(left()).toEqual(before)
  })

  it('that does not get to a host is no trouble: it is sent from here, and said', async () => {
    const empty = join(place.shop.dir, 'empty ssh config')
    writeFileSync(empty, 'UserKnownHostsFile /dev/null\nGlobalKnownHostsFile /dev/null\n')
    await configure(empty)
    await place.build('1.0.0', { noise: randomBytes(2_500_000).toString('base64') })
    const events = await release()
    expect(live()).toEqual(['1.0.0', '1.0.0', '1.0.0'])
    const warnings = events.filter((e) => e.event === 'warning').map((e): [string, string] => [e.host, e.message])
    expect(warnings.toSorted(([a], [b]) => (a < b ? -1 : 1))).toEqual(
      ['web1', 'web2', 'web3'].map((host) => [
        host,
        expect.stringMatching(/^sent from here, not by way of the relay: "web4" could not bring it to web\d: .*key/i),
      ]),
    )
  })
})
