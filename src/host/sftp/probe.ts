/** Asks for the whole state of a host by SFTP, in the words of the shell's probe, so that both are read by one reader. Changes nothing. */
import { valuesOf, type Answer } from '../shell/frame.ts'
import type { HostState } from '../session.ts'
import { readState } from '../state.ts'
import type { HostClock } from './clock.ts'
import { readStart } from './content.ts'
import { follow, list, lookAt, readLink } from './files.ts'
import { diskAt, MAX_LINE, type Place } from './place.ts'
import { forEach } from './pool.ts'
import { SftpProblem } from './requests.ts'
import { limitsOf } from './limits.ts'

interface Question {
  readonly sharedFiles: readonly string[]
  readonly clock: HostClock
  readonly leaseSeconds: number
}

/** The state. Rejects when the link or the server fails, never for what lies on the host. */
export async function probe(place: Place, { sharedFiles, clock, leaseSeconds }: Question): Promise<HostState> {
  const values: { key: string; value: string }[] = []
  const say: Say = (key, value) => void values.push({ key, value })
  await Promise.all([
    probeCurrent(place, say),
    probeReleases(place, say),
    probeLock(place, clock, say),
    probeShared(place, sharedFiles, say),
    probePlace(place, say),
    probeDone(place, say),
  ])
  // What unpacks, hashes and renames is ship itself and the server. Two zstd frames in one stream are not for every Node.
  for (const tool of ['gzip', 'sha256sum', 'tar', 'mv-T']) say('tool', tool)
  say('clock', String(clock.now()))
  const answer: Answer = { values, end: 'ok', reason: '' }
  const state = readState(answer, leaseSeconds)
  const disk =
    valuesOf(answer, 'disk').length > 0 ? state.disk : { freeBytes: Number.POSITIVE_INFINITY, freeInodes: undefined }
  const tools = { ...state.tools, copy: place.requests.offers('copy-data') }
  return { ...state, disk, tools, withoutShell: limitsOf(place.requests) }
}

type Say = (key: string, value: string) => void

async function probeCurrent({ requests, root }: Place, say: Say): Promise<void> {
  const path = `${root}/current`
  const there = await lookAt(requests, path)
  if (!there) say('current', 'absent')
  else if (there.kind !== 'link') say('current', there.kind === 'dir' ? 'directory' : 'file')
  else {
    say('current', `link ${await readLink(requests, path)}`)
    if ((await follow(requests, path))?.kind !== 'dir') say('dangling', 'yes')
  }
}

async function probeReleases({ requests, root, ship }: Place, say: Say): Promise<void> {
  const visible = (await list(requests, `${root}/releases`)).filter(({ name }) => !name.startsWith('.'))
  await forEach(visible, async ({ name, kind }) => {
    const text = kind === 'dir' ? await readStart(requests, `${ship}/releases/${name}.json`, MAX_LINE) : undefined
    if (text === undefined) say('foreign', name)
    else say('record', `${name} ${firstLine(text)}`)
  })
}

async function probeLock({ requests, root, ship }: Place, clock: HostClock, say: Say): Promise<void> {
  for (const { name } of await list(requests, `${ship}/lock`)) {
    const owner = await readStart(requests, `${ship}/lock/${name}/owner`, MAX_LINE)
    const beat = await lookAt(requests, `${ship}/lock/${name}/beat`)
    say('holder', name)
    if (owner !== undefined) say('owner', firstLine(owner))
    // The host stamps each beat, whatever its writer took for the time.
    if (beat) say('beat', `${beat.mtime} stamp`)
    say('now', `${await clock.ask({ requests, root, ship })} stamp`)
  }
}

async function probeShared({ requests, root }: Place, files: readonly string[], say: Say): Promise<void> {
  await forEach(files, async (file) => {
    if (!(await follow(requests, `${root}/shared/${file}`))) say('missing', file)
  })
}

async function probeDone({ requests, ship }: Place, say: Say): Promise<void> {
  await forEach(await list(requests, `${ship}/once`), async ({ name }) => {
    const text = await readStart(requests, `${ship}/once/${name}`, MAX_LINE)
    if (text !== undefined && firstLine(text) === 'done') say('done', name)
  })
}

async function probePlace({ requests, root, ship }: Place, say: Say): Promise<void> {
  const there = await follow(requests, root)
  if (there && there.kind !== 'dir') say('blocked', `"${root}" is not a folder`)
  let nearest = root
  while (nearest !== '' && (await follow(requests, nearest))?.kind !== 'dir')
    nearest = nearest.slice(0, nearest.lastIndexOf('/'))
  const disk = await diskAt(requests, nearest || '/')
  if (!disk) return
  if (disk.readOnly) say('blocked', `"${nearest || '/'}" is on a disk that may only be read`)
  say('disk', String(Math.floor(disk.freeBytes / 1024)))
  if (disk.freeInodes !== undefined) say('inodes', String(disk.freeInodes))
  try {
    const [one, two] = [await diskAt(requests, `${root}/releases`), await diskAt(requests, ship)]
    if (one?.id !== two?.id) say('apart', 'yes')
  } catch (error) {
    // They are made when the first run locks the host.
    if (!(error instanceof SftpProblem)) throw error
  }
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? ''
}
