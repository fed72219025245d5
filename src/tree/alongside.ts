/** Two lists in the order of manifests, together. */
import { compareBytes } from './entries.ts'

/** Goes along both, and gives what they have under one path together. */
export function alongside<A extends { readonly path: string }, B extends { readonly path: string }>(
  as: readonly A[],
  bs: readonly B[],
  visit: (a: A | undefined, b: B | undefined) => void,
): void {
  let next = 0
  for (const a of as) {
    let b = bs[next]
    for (; b !== undefined && b.path !== a.path && compareBytes(b.path, a.path) < 0; b = bs[++next]) visit(undefined, b)
    if (b?.path !== a.path) visit(a, undefined)
    else {
      visit(a, b)
      next += 1
    }
  }
  for (const b of bs.slice(next)) visit(undefined, b)
}
