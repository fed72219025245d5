/**
 * Manifests that were read or made here before, in the user's cache, by their digests. A digest never means another manifest, so one that was
 * looked at need not be looked at again, and one that a host has need not be asked for.
 */
import { createHash } from 'node:crypto'
import { readdir, readFile, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { cacheFolder, keepInCache } from '../cache-folder.ts'
import { canonicalManifest, manifestOfCanonical, parseManifest, type Manifest } from './manifest.ts'

/** Read once for all who ask, however many at once. */
const seen = new Map<string, Promise<Manifest | undefined>>()
/** Above so many the oldest go. */
const MAX_KEPT = 100
const FOLDER = 'manifests'

/** Keeps a manifest for later runs. Best effort: without it the next run asks the host, and looks at all of it. */
export async function keepManifest(manifest: Manifest, digest: string): Promise<void> {
  const bytes = Buffer.from(canonicalManifest(manifest))
  if (digestOf(bytes) !== digest) return
  seen.set(digest, Promise.resolve(manifest))
  const file = fileOf(digest)
  const kept = await stat(file).catch(() => undefined)
  const now = new Date()
  if (kept?.size === bytes.length) await utimes(file, now, now).catch(() => undefined)
  else await keepInCache(join(FOLDER, `${digest}.json`), bytes)
  // Another run may remove the same.
  await removeOldest().catch(() => undefined)
}

/** One that was kept. Undefined when it was not, or when what lies there is not what the digest stands for. */
export async function seenManifest(digest: string): Promise<Manifest | undefined> {
  const known = seen.get(digest)
  if (known) return known
  const reading = readSeen(digest)
  seen.set(digest, reading)
  const manifest = await reading
  if (!manifest && seen.get(digest) === reading) seen.delete(digest)
  return manifest
}

/** A manifest from its bytes, as `parseManifest` reads it; what was kept here was looked at then. */
export async function readManifest(bytes: Buffer): Promise<Manifest> {
  const digest = digestOf(bytes)
  const kept = await stat(fileOf(digest)).catch(() => undefined)
  return kept?.size === bytes.length ? manifestOfCanonical(bytes.toString('utf8')) : parseManifest(bytes)
}

async function readSeen(digest: string): Promise<Manifest | undefined> {
  const bytes = await readFile(fileOf(digest)).catch(() => undefined)
  if (bytes && digestOf(bytes) === digest) return manifestOfCanonical(bytes.toString('utf8'))
  // What is there, and is not it, is made anew.
  if (bytes) await rm(fileOf(digest), { force: true }).catch(() => undefined)
  return undefined
}

async function removeOldest(): Promise<void> {
  const names = (await readdir(folder())).filter((name) => name.endsWith('.json'))
  if (names.length <= MAX_KEPT) return
  const kept = await Promise.all(names.map(async (name) => ({ name, at: (await stat(join(folder(), name))).mtimeMs })))
  const oldest = kept.toSorted((a, b) => a.at - b.at).slice(0, names.length - MAX_KEPT)
  await Promise.all(oldest.map(({ name }) => rm(join(folder(), name), { force: true })))
}

function digestOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function folder(): string {
  return join(cacheFolder(), FOLDER)
}

function fileOf(digest: string): string {
  return join(folder(), `${digest}.json`)
}
