/**
 * What the author of a recipe sees. A recipe turns sources into a part of the staged tree: the app, or a component that the app or
 * other components depend on. It is one value in one file, built in (`recipes/<name>.ts`) or the project's own (`recipes/<name>.ts`
 * there, which wins).
 */
/** A part of the tree with a version of its own (a runtime, a library, a package). */
export interface Component {
  readonly name: string
  readonly version: string
  /** SPDX id or expression where there is one (`MIT`, `(MIT OR Apache-2.0)`), else its name. */
  readonly license?: string | undefined
  /** `library` by default. */
  readonly kind?: 'application' | 'library' | 'runtime' | 'file' | undefined
  /** Package URL: `pkg:npm/express@4.19.2`. */
  readonly purl?: string | undefined
  /** URL that its source came from. Credentials and queries are cut off. */
  readonly source?: string | undefined
  /** Digest of what came from there: `sha256:<hexadecimal>`, or sha384 or sha512. */
  readonly digest?: string | undefined
  /** Other components that it needs, as `name@version`. */
  readonly dependsOn?: readonly string[] | undefined
}

/**
 * Where bytes come from. All but `path` get an entry in `ship.lock`, so that the next build takes the same ones.
 * - `path`: a folder or file of the project.
 * - `git`: a repository and a branch, tag or commit; locked to the commit.
 * - `url`: a file, unpacked when it is an archive; locked to its sha256. `mirrors` are asked when it fails.
 * - `npm`: `name@range`; locked to a version and its integrity.
 * - `apt`: Debian packages of the machine's own sources; with `dependencies` also what they need but the C library. `buildOnly`: a tool
 *   of the recipe, of which nothing is shipped.
 * - `aptSource`: the source of a Debian package, patches applied.
 */
export type Source =
  | { readonly path: string }
  | { readonly git: string; readonly ref: string }
  | { readonly url: string; readonly sha256?: string; readonly mirrors?: readonly string[] }
  | { readonly npm: string }
  | {
      readonly apt: readonly string[]
      readonly dependencies?: boolean
      readonly except?: readonly string[]
      readonly buildOnly?: boolean
    }
  | { readonly aptSource: string }

/** What is known before anything is built. */
export interface RecipeContext {
  /** Name of the app that is built. */
  readonly app: string
  readonly layout: 'plain' | 'omnibus'
  /** As Node names them: `linux-x64`. */
  readonly platform: string
  /** The version that `build.components` of the configuration asks for; undefined: the recipe's own choice. */
  readonly wanted: string | undefined
  /** Absolute folder of the app's sources. */
  readonly sources: string
  /** `build.bin` of the configuration: programs for users, and the file of the app that each runs. */
  readonly bin: Readonly<Record<string, string>>
}

export interface BuildStep {
  readonly context: RecipeContext
  /**
   * Absolute folder of the app's sources (`build.from`, or a clean checkout with `--ref`). Never written to. An empty folder for a
   * component, which is made from what it declares.
   */
  readonly sources: string
  /**
   * Absolute, empty folder: everything in it is shipped. For a component it becomes `embedded/`, for an app `app/` (omnibus) or the
   * tree itself (plain).
   */
  readonly out: string
  /** Absolute folder with what the dependencies put into `embedded/`: `bin`, `lib`, `include`. Empty without dependencies. */
  readonly embedded: string
  /** Where `embedded/` will be on a host, for programs that must be told when they are configured. */
  readonly prefix: string
  /** Private scratch folder for caches and homes of tools; removed after the build. */
  readonly scratch: string
  /** Clean environment of `run`: PATH with `embedded/bin` first, a HOME in `scratch`, TZ=UTC, LC_ALL=C.UTF-8, SOURCE_DATE_EPOCH. */
  readonly env: Readonly<Record<string, string>>
  /** Time of the sources, in seconds since 1970. */
  readonly epoch: number
  /** How many processes a compiler may use. */
  readonly jobs: number
  /** Absolute folder of a declared source, unpacked; it may be written to. */
  source(name?: string): string
  /** Whether a source path passes `build.include` and `build.exclude`. */
  included(path: string): boolean
  /**
   * Copies a folder or file of the sources into the tree (default: everything), links and modes kept, filtered by
   * `included`. `from` is relative to `sources`, `to` to `out`.
   */
  copy(options?: { readonly from?: string; readonly to?: string }): Promise<void>
  /** Writes one file into the tree, parents made. */
  write(path: string, content: string | Uint8Array, options?: { readonly mode?: number }): Promise<void>
  /** Writes `bin/<name>`: a program that runs `launcher.run` from wherever the tree lies. */
  bin(name: string, launcher: Launcher): Promise<void>
  /** Runs a program in `cwd` (default: `out`); a failure is the build's error with the last lines of its output. */
  run(
    argv: readonly string[],
    options?: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> },
  ): Promise<void>
  /** Says what is being done, for the log. */
  log(text: string): void
  readonly signal: AbortSignal
}

/** A program of the tree as users start it. */
export interface Launcher {
  /**
   * A program and its first arguments, all of them paths in the tree: `['embedded/bin/node', 'app/server.js']`. The user's arguments
   * follow.
   */
  readonly run: readonly string[]
  /** A program of the host, found in its PATH, that `run` is given to: `python3`. */
  readonly interpreter?: string
  /** Variables that name places in the tree, `.` for the tree itself: `{ PYTHONPATH: ['app/site-packages'] }`, joined by `:`. */
  readonly paths?: Readonly<Record<string, readonly string[]>>
  /** Variables that the program gets unless its caller has set them. */
  readonly env?: Readonly<Record<string, string>>
  /** A file of `NAME=value` lines in the tree, read when it is there (a shared file, say). What the caller has set wins. */
  readonly envFile?: string
  /**
   * Instead of `run`: a shell command, started in the app's folder. First in its PATH are `embedded/bin` and the programs of the app's
   * packages.
   */
  readonly shell?: string
}

/** A process that an app consists of, for service units. */
export interface AppProcess {
  readonly name: string
  /** Name of the program in `bin/`. */
  readonly bin: string
}

type From<T> = T | ((context: RecipeContext) => T | Promise<T>)

export interface Recipe {
  readonly name: string
  /** One line for `ship init` and errors that list recipes. */
  readonly summary: string
  /** Version of a component; without it the version of its first source that has one. */
  readonly version?: string
  /** SPDX expression of a component's licence. */
  readonly license?: string
  /** Files with the licence's text, relative to a source; default: LICENSE*, COPYING*, COPYRIGHT* and the like. */
  readonly licenseFiles?: readonly string[]
  /** What is fetched before `build`; `step.source(name)` is where it lies. */
  readonly sources?: From<Readonly<Record<string, Source>>>
  /** Names of other recipes that are built before and shipped along. */
  readonly dependencies?: From<readonly string[]>
  /** Programs of the building machine whose `--version` decides whether an earlier result may be used again. */
  readonly tools?: From<readonly string[]>
  /**
   * Names of variables of the caller that its programs get, when they are set; all others are kept from them. Their values decide as well
   * whether an earlier result may be used again.
   */
  readonly env?: readonly string[]
  /**
   * Whether a result may be used again while its inputs are the same: recipe, sources, tools, dependencies, platform. Default true for
   * components; an app's recipe must say so, for it may read what ship does not see. To the recipe belongs what its file imports; a file
   * that it reads in another way (a patch, say) must be one of its sources.
   */
  readonly cache?: boolean
  /** What the tree depends on: `any` (default) or the platform the build ran on. A function looks at the sources. */
  readonly platform?: 'any' | 'native' | ((sources: string) => Promise<'any' | 'native'>)
  /** Parts found while building (packages of a lockfile, say), for the manifest. */
  components?(step: BuildStep): Promise<readonly Component[]>
  /** The processes that the app consists of; a .deb gets a unit for each. */
  processes?(sources: string): Promise<readonly AppProcess[]>
  /** Patterns left out before the user's own `exclude` is applied. */
  readonly exclude?: readonly string[]
  build(step: BuildStep): Promise<void>
}

/** Types a recipe value; returns it as it is. */
export function defineRecipe(recipe: Recipe): Recipe {
  return recipe
}
