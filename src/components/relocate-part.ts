/** What a recipe left behind made independent of where it was built, and of where the tree will be. */
import { dirname } from 'node:path'
import { relocateTree } from '../elf/relocate.ts'
import type { Emit } from '../events.ts'
import type { RecipeContext } from '../recipe.ts'

export interface BuiltAt {
  readonly name: string
  readonly layout: RecipeContext['layout']
  /** Absolute folders of this build: the part's own, the one with its dependencies, and the one that all of it is in. */
  readonly root: string
  readonly embedded: string
  readonly scratch: string
  /** Where `embedded/` will be on a host. */
  readonly prefix: string
  readonly emit: Emit
  readonly log: (text: string) => void
}

/**
 * Search paths and first lines that name a place of the build, or the one that the recipe configured for, lead there from anywhere.
 * What was changed, and what cannot be, is in the log. Rejects (reason `build`) a script that cannot be, by name.
 */
export function relocatePart({ name, layout, root, embedded, scratch, prefix, emit, log }: BuiltAt): void {
  // A plain tree has no folder of its own that a recipe could know.
  const from = [root, dirname(embedded), ...(layout === 'omnibus' ? [dirname(prefix)] : [])]
  const { changed, impossible } = relocateTree(root, { from })
  for (const { path, before, after } of changed) log(`${path}: "${before}" is now "${after}"`)
  for (const { path, before, why } of impossible) log(`${path}: "${before}" stays as it is: ${why}`)
  // The room for the old path is still there, and the linker's id of the file was made of it.
  const bound = changed.filter((c) => c.kind === 'search path' && c.before.includes(scratch))
  const [first] = bound
  if (!first) return
  const which = bound.length === 1 ? '' : ` and ${bound.length - 1} more`
  emit({
    event: 'warning',
    message: `"${first.path}"${which} of "${name}" was linked with the folder it was built in: it runs anywhere, but each build differs`,
    next: [`link it with -Wl,-rpath,'${first.after.split(':')[0] ?? ''}', or with the variables of compilerEnv`],
  })
}
