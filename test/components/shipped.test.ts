/** What of a part is shipped: all but what only builds need, and the folders that are empty because of that. */
import { mkdtempSync, mkdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { shippedEntries } from '../../src/components/merge.ts'
import { walkTree } from '../../src/tree/walk.ts'
import { makeTree, SIGNAL } from '../support/bundle.ts'

it('empty folders stay with all that they are in; those that became empty go', async () => {
  const root = mkdtempSync(join(tmpdir(), 'ship-shipped-'))
  try {
    await makeTree(root, {
      'app/a': 'a',
      'embedded/include/x/y.h': 'h',
      'embedded/dev/lib.d/z.pc': 'z',
      'embedded/lib/x.a': 'a',
    })
    mkdirSync(join(root, 'app/build/Release'), { recursive: true })
    mkdirSync(join(root, 'embedded/lib/pkgconfig'), { recursive: true })
    const entries = await walkTree(root, { signal: SIGNAL })
    const shipped = shippedEntries({ name: 'shop', root, entries }).map((e) => e.path)
    expect(shipped).toEqual([
      'app',
      'app/a',
      'app/build',
      'app/build/Release',
      'embedded',
      'embedded/dev',
      'embedded/dev/lib.d',
      'embedded/dev/lib.d/z.pc',
    ])
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
})
