/**
 * What the author of a recipe sees. A recipe turns a source folder into a staged tree; it is one value in one file,
 * built in (`recipes/<name>.ts`) or the project's own (`recipes/<name>.ts` there, which wins).
 */
/** A part of the tree with a version of its own (a runtime, a library). */
export interface Component {
  readonly name: string
  readonly version: string
  readonly license?: string | undefined
}

export interface BuildStep {
  /** Absolute folder of the sources (`build.from`, or a clean checkout with `--ref`). Never written to. */
  readonly sources: string
  /** Absolute, empty folder: the staged tree. Everything in it is shipped. */
  readonly out: string
  /** Private scratch folder for caches and homes of tools; removed after the build. */
  readonly scratch: string
  /** Clean environment of `run`: PATH, a HOME in `scratch`, TZ=UTC, LC_ALL=C.UTF-8, SOURCE_DATE_EPOCH. */
  readonly env: Readonly<Record<string, string>>
  /** Time of the sources, in seconds since 1970. */
  readonly epoch: number
  /** Whether a source path passes `build.include` and `build.exclude`. */
  included(path: string): boolean
  /**
   * Copies a folder or file of the sources into the tree (default: everything), links and modes kept, filtered by
   * `included`. `from` is relative to `sources`, `to` to `out`.
   */
  copy(options?: { readonly from?: string; readonly to?: string }): Promise<void>
  /** Writes one file into the tree, parents made. */
  write(path: string, content: string | Uint8Array, options?: { readonly mode?: number }): Promise<void>
  /** Runs a program in `cwd` (default: `out`); a failure is the build's error with the last lines of its output. */
  run(
    argv: readonly string[],
    options?: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> },
  ): Promise<void>
  /** Says what is being done, for the log. */
  log(text: string): void
  readonly signal: AbortSignal
}

export interface Recipe {
  readonly name: string
  /** One line for `ship init` and errors that list recipes. */
  readonly summary: string
  /** What the tree depends on: `any` (default) or the platform the build ran on. A function looks at the sources. */
  readonly platform?: 'any' | 'native' | ((sources: string) => Promise<'any' | 'native'>)
  /** Components found while building, for the manifest. */
  components?(step: BuildStep): Promise<readonly Component[]>
  /** Patterns left out before the user's own `exclude` is applied. */
  readonly exclude?: readonly string[]
  build(step: BuildStep): Promise<void>
}

/** Types a recipe value; returns it as it is. */
export function defineRecipe(recipe: Recipe): Recipe {
  return recipe
}
