/**
 * What the next release to an environment will probably be put together from: the release that the last run from here left live. With it a
 * payload is packed while the hosts are still being asked. It decides nothing: what hosts say is what is done.
 */
import { join } from 'node:path'
import * as z from 'zod'
import { cacheFolder, keepInCache } from '../cache-folder.ts'
import { readForeign } from '../foreign.ts'
import type { Base } from '../formats/delta.ts'
import type { HostState } from '../host/session.ts'
import { seenManifest } from '../tree/seen.ts'
import { isVersion, type Version } from '../version.ts'
import type { Observed } from './observe.ts'
import type { Plan } from './plan.ts'

const schema = z.object({
  version: z.string().refine((text): text is Version => isVersion(text)),
  digest: z.string().regex(/^[0-9a-f]{64}$/),
  shared: z.array(z.string()),
  zstd: z.boolean(),
  rsync: z.boolean(),
})

export interface Foreseen {
  readonly base: Base
  readonly tools: Pick<HostState['tools'], 'zstd' | 'rsync'>
}

const MAX_BYTES = 65_536

/** Undefined when nothing is known. */
export async function foreseen(app: string, environment: string): Promise<Foreseen | undefined> {
  try {
    const text = await readForeign(join(cacheFolder(), pathOf(app, environment)), MAX_BYTES)
    if (!text) return undefined
    const { version, digest, shared, zstd, rsync } = schema.parse(JSON.parse(text.toString('utf8')))
    const manifest = await seenManifest(digest)
    return manifest && { base: { version, digest, shared, manifest }, tools: { zstd, rsync } }
  } catch {
    // Then there is more to do when the hosts have answered.
    return undefined
  }
}

/** Keeps what a run that went well left. Best effort: a read-only home is no reason to fail. */
export async function foresee(
  { app, environment, target, digest, hosts }: Plan,
  observed: readonly Observed[],
): Promise<void> {
  const [sample] = observed
  const plan = hosts.find(({ host }) => host === sample?.host)
  if (!sample || !plan) return
  const { tools, releases } = sample.state
  const shared = releases.find(({ version }) => version === target)?.shared ?? plan.links
  const text = JSON.stringify({ version: target, digest, shared, zstd: tools.zstd, rsync: tools.rsync === true })
  await keepInCache(pathOf(app, environment), text)
}

function pathOf(app: string, environment: string): string {
  return join('foreseen', `${app}@${environment}.json`)
}
