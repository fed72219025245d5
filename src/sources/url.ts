/** `url`: a file from the web, locked to its sha256. */
import { z } from 'zod'
import { ShipError } from '../errors.ts'
import type { Source } from '../recipe.ts'
import { publicAddress, publicUrl } from '../public-url.ts'
import { download, fileNameOf } from './download.ts'
import type { SourceKind } from './source.ts'
import { unpack } from './unpack.ts'

type UrlSource = Extract<Source, { url: string }>

const lock = z.object({ sha256: z.string().regex(/^[0-9a-f]{64}$/), size: z.int() })

export const url: SourceKind<UrlSource, z.output<typeof lock>> = {
  key: 'url',
  is: (source): source is UrlSource => 'url' in source,
  locked: lock,
  async resolve(source, context) {
    checked(source)
    const { sha256, size } = await download(urls(source), context, source.sha256?.toLowerCase())
    return { sha256, size }
  },
  fits: (source, { sha256 }) => source.sha256 === undefined || source.sha256.toLowerCase() === sha256,
  async fetch(source, { sha256 }, to, context) {
    checked(source)
    const { file } = await download(urls(source), context, sha256)
    await unpack(file, fileNameOf(source.url), to, context.signal)
  },
  digest: (locked) => locked.sha256,
  version: () => undefined,
  purl: () => undefined,
  materials: (source, { sha256 }) => [{ uri: publicUrl(source.url), digest: { sha256 } }],
}

function urls({ url: first, mirrors = [] }: UrlSource): readonly string[] {
  return [first, ...mirrors]
}

function checked(source: UrlSource): void {
  for (const text of urls(source)) {
    if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol))
      throw new ShipError('config', `"${publicAddress(text)}" is no address of a source`, {
        next: ['use an http or https URL'],
      })
    if (source.sha256 === undefined && isOpen(text))
      throw new ShipError('config', `"${publicAddress(text)}" is fetched without encryption and has no sha256`, {
        next: ['add sha256 to the source, or use https'],
      })
  }
  if (source.sha256 !== undefined && !/^[0-9a-f]{64}$/i.test(source.sha256))
    throw new ShipError('config', `"${source.sha256}" is no sha256`, { next: ['64 hexadecimal digits'] })
}

/** Whether somebody on the way could change what comes. */
function isOpen(text: string): boolean {
  const { protocol, hostname } = new URL(text)
  return protocol === 'http:' && !/^(?:127\.|localhost$|\[::1\]$)/.test(hostname)
}
