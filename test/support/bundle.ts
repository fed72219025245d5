/** Small bundles made by the real writers, for tests of what reads them. */
import { createWriteStream, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { chmod } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { manifestFileName, openBundle, type Bundle } from '../../src/formats/bundle.ts'
import { formats } from '../../src/formats/index.ts'
import { parseAppName } from '../../src/names.ts'
import { canonicalManifest, makeManifest, type Tree } from '../../src/tree/manifest.ts'
import { walkTree } from '../../src/tree/walk.ts'
import { parseVersion } from '../../src/version.ts'

/** Path -> content; `{ link }` is a link, `{ run }` a file with its x bit set. */
export type Files = Readonly<Record<string, string | Buffer | { readonly link: string } | { readonly run: string }>>

export const SIGNAL = new AbortController().signal

/** A tree on disk and its manifest. */
export async function makeTree(root: string, files: Files, version = '1.0.0'): Promise<Tree> {
  mkdirSync(root, { recursive: true })
  for (const [path, content] of Object.entries(files)) {
    const file = join(root, path)
    mkdirSync(dirname(file), { recursive: true })
    if (typeof content === 'string' || Buffer.isBuffer(content)) writeFileSync(file, content)
    else if ('link' in content) symlinkSync(content.link, file)
    else {
      writeFileSync(file, content.run)
      await chmod(file, 0o755)
    }
  }
  const entries = await walkTree(root, { signal: SIGNAL })
  const parts = { name: parseAppName('shop'), version: parseVersion(version), platform: 'any', epoch: 1_700_000_000 }
  return { root, manifest: makeManifest({ ...parts, components: [], entries }) }
}

/** The tree as an archive in `folder`, with its manifest beside it. */
export async function writeBundle(tree: Tree, format: string, folder: string): Promise<string> {
  const found = formats.find((f) => f.name === format)
  if (!found) throw new Error(`no format ${format}`)
  mkdirSync(folder, { recursive: true })
  const archive = join(folder, found.fileName(tree.manifest))
  await found.write(tree, createWriteStream(archive), { signal: SIGNAL })
  writeFileSync(join(folder, manifestFileName(tree.manifest)), canonicalManifest(tree.manifest))
  return archive
}

export async function makeBundle(folder: string, files: Files, version = '1.0.0', format = 'tar.gz'): Promise<Bundle> {
  const tree = await makeTree(join(folder, `tree-${version}`), files, version)
  return openBundle(await writeBundle(tree, format, join(folder, `dist-${version}`)))
}
