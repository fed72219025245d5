/** Names longer than a tar header's field: what the field holds of them may end anywhere, also with a slash. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openBundle, verifyBundle } from '../../src/formats/bundle.ts'
import { formats } from '../../src/formats/index.ts'
import type { Tree } from '../../src/tree/manifest.ts'
import { makeTree, SIGNAL, writeBundle } from '../support/bundle.ts'

const FILES = Object.fromEntries(
  Array.from({ length: 25 }, (_, i) => [`cut/${'g'.repeat(72 + i)}/${'h'.repeat(30)}`, `cut ${i}\n`]),
)

let dir = ''
let tree: Tree
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'ship-long-names-'))
  tree = await makeTree(join(dir, 'tree'), FILES)
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

it.each(formats.map((f) => f.name))('%s gives back names that are cut beside a slash', async (name) => {
  const archive = await writeBundle(tree, name, join(dir, name))
  await verifyBundle(await openBundle(archive), { signal: SIGNAL })
  const to = join(dir, `${name}-unpacked`)
  mkdirSync(to)
  if (name === 'zip') execFileSync('unzip', ['-q', archive, '-d', to])
  else execFileSync('tar', ['-xf', archive, '-C', to])
  for (const [path, content] of Object.entries(FILES))
    expect(readFileSync(join(to, 'shop-1.0.0', path), 'utf8')).toBe(content)
})
