/**
 * What a project is, as far as its files tell: which recipe builds it, what it is called, where its version stands. Reads only;
 * nothing of the project is run.
 */
import { existsSync, lstatSync, openSync, readdirSync, readFileSync, readSync, closeSync } from 'node:fs'
import { basename, join } from 'node:path'

/** Recipes that `ship init` offers, the usual ones first, each with what it means to a person. */
export const STARTERS = {
  'node-app': 'a Node app with the production packages of its lockfile',
  'python-app': 'a Python app with the packages that requirements.txt locks',
  'static-site': 'web pages, as they are or as the "build" script makes them',
  procfile: 'an app with a Procfile; each process becomes a program in bin/',
  binary: 'prebuilt programs, or those of a Go module',
  files: 'the sources as they are',
} as const

export type Starter = keyof typeof STARTERS

export interface Found {
  /** A name that ship accepts. */
  readonly name: string
  readonly recipe: Starter
  /** What the recipe was chosen for: "package.json has a start script". */
  readonly why: string
  /** `build.from`, when it is not the project's own folder. */
  readonly from: string | undefined
  /** `build.bin`: programs and their files. */
  readonly bin: Readonly<Record<string, string>>
  /** `version` of the configuration. */
  readonly version: string
  /** Files and folders that are no release's own: kept in shared/ on the hosts. */
  readonly shared: { readonly dirs: readonly string[]; readonly files: readonly string[] }
  /** A health check to offer, when the kind of app usually answers there. */
  readonly health: string | undefined
  /** What stands in the way of a build, each with what to do. */
  readonly missing: readonly string[]
}

interface Package {
  readonly name?: unknown
  readonly version?: unknown
  readonly main?: unknown
  readonly bin?: unknown
  readonly scripts?: Readonly<Record<string, unknown>>
  readonly dependencies?: Readonly<Record<string, unknown>>
  readonly devDependencies?: Readonly<Record<string, unknown>>
}

type Kind = Pick<Found, 'recipe' | 'why'> & Partial<Pick<Found, 'from' | 'bin' | 'health'>>

const SITE_MAKERS = [
  'vite',
  'astro',
  '@11ty/eleventy',
  'gatsby',
  'react-scripts',
  'parcel',
  'vitepress',
  '@docusaurus/core',
]
const SERVERS = ['server.js', 'server.mjs', 'server.ts', 'app.js', 'index.js', 'index.mjs']
const PYTHON_PROGRAMS = ['manage.py', 'app.py', 'main.py', 'server.py']
const PAGES = ['public', 'site', 'www', 'html', '_site', 'dist', 'build']
const UPLOADS = ['uploads', 'media', 'storage']
const VERSION = /^\d+\.\d+\.\d+(?:[-+][0-9A-Za-z.+-]+)?$/

/** Looks at the files at the top of a folder. */
export function lookAt(folder: string): Found {
  const has = (name: string): boolean => existsSync(join(folder, name))
  const manifest = packageOf(folder)
  const kind = kindOf(folder, manifest, has)
  return {
    from: undefined,
    health: undefined,
    bin: {},
    ...kind,
    name: appName(typeof manifest?.name === 'string' ? manifest.name : basename(folder)),
    version: versionOf(folder, manifest, has),
    shared: {
      dirs: UPLOADS.filter((name) => has(name) && lstatSync(join(folder, name)).isDirectory()),
      files: kind.recipe !== 'static-site' && has('.env') ? ['.env'] : [],
    },
    missing: missingOf(folder, kind, manifest, has),
  }
}

function kindOf(folder: string, manifest: Package | undefined, has: (name: string) => boolean): Kind {
  if (has('Procfile')) return { recipe: 'procfile', why: 'there is a Procfile', health: 'http://127.0.0.1:5000/' }
  if (manifest) {
    const node = nodeReason(manifest, has)
    if (node !== undefined) return { recipe: 'node-app', why: node, health: 'http://127.0.0.1:3000/' }
    const maker = SITE_MAKERS.find((name) => namesOf(manifest).includes(name))
    if (manifest.scripts?.['build'] !== undefined && (maker !== undefined || has('index.html')))
      return { recipe: 'static-site', why: `package.json builds pages${maker === undefined ? '' : ` with ${maker}`}` }
    if (!has('index.html'))
      return { recipe: 'node-app', why: 'there is a package.json', health: 'http://127.0.0.1:3000/' }
  }
  const python = ['manage.py', 'requirements.txt', 'pyproject.toml', 'setup.py', 'Pipfile'].find(has)
  if (python !== undefined) {
    const bin = pythonProgram(folder, has)
    return { recipe: 'python-app', why: `there is a ${python}`, bin, health: 'http://127.0.0.1:8000/' }
  }
  if (has('go.mod')) return { recipe: 'binary', why: 'there is a go.mod', health: 'http://127.0.0.1:8080/' }
  if (has('index.html')) return { recipe: 'static-site', why: 'there is an index.html' }
  const pages = PAGES.find((name) => has(join(name, 'index.html')))
  if (pages !== undefined) return { recipe: 'static-site', why: `there is ${pages}/index.html`, from: pages }
  const program = programsIn(folder)[0]
  if (program === undefined) return { recipe: 'files', why: 'nothing tells what it is, so files go as they are' }
  const name = basename(program)
  return { recipe: 'binary', why: `${program} is a compiled program`, bin: { [name]: program } }
}

/** The module that starts the app, as a program that finds its packages; [project.scripts] are programs without being named. */
function pythonProgram(folder: string, has: (name: string) => boolean): Readonly<Record<string, string>> {
  const project = has('pyproject.toml') ? readFileSync(join(folder, 'pyproject.toml'), 'utf8') : ''
  const module = PYTHON_PROGRAMS.find(has)
  return module === undefined || /^\[project\.scripts\]/m.test(project) ? {} : { [appName(basename(folder))]: module }
}

/** What tells that a package is run and not only built. */
function nodeReason(manifest: Package, has: (name: string) => boolean): string | undefined {
  if (manifest.scripts?.['start'] !== undefined) return 'package.json has a start script'
  if (manifest.bin !== undefined) return 'package.json names programs ("bin")'
  const server = SERVERS.find(has)
  if (server !== undefined && !has('index.html')) return `there is a ${server} beside package.json`
  return undefined
}

function namesOf({ dependencies, devDependencies }: Package): readonly string[] {
  return Object.keys({ ...dependencies, ...devDependencies })
}

function versionOf(folder: string, manifest: Package | undefined, has: (name: string) => boolean): string {
  if (typeof manifest?.version === 'string' && VERSION.test(manifest.version)) return 'package.json'
  return has('.git') && isTagged(folder) ? 'git' : '0.1.0'
}

/** Whether a tag such as v1.4.2 is there; packed ones count. */
function isTagged(folder: string): boolean {
  const tags = join(folder, '.git/refs/tags')
  const packed = join(folder, '.git/packed-refs')
  const loose = existsSync(tags) ? readdirSync(tags) : []
  const lines = existsSync(packed) ? readFileSync(packed, 'utf8').split('\n') : []
  return (
    loose.some((name) => /^v\d+\.\d+\.\d+/.test(name)) || lines.some((line) => / refs\/tags\/v\d+\.\d+\.\d+/.test(line))
  )
}

function missingOf(
  folder: string,
  { recipe }: Kind,
  manifest: Package | undefined,
  has: (name: string) => boolean,
): string[] {
  const npm = recipe === 'node-app' || (manifest !== undefined && recipe !== 'python-app' && recipe !== 'files')
  const isLocked = has('package-lock.json') || has('npm-shrinkwrap.json')
  const lock = npm && manifest && !isLocked ? ['there is no package-lock.json: npm install --package-lock-only'] : []
  const wants = recipe === 'python-app' || (recipe === 'procfile' && has('requirements.txt'))
  if (!wants) return lock
  if (!has('requirements.txt'))
    return [...lock, 'there is no requirements.txt: an empty one will do when the app needs no packages']
  const lines = readFileSync(join(folder, 'requirements.txt'), 'utf8').split('\n')
  const wanted = lines.some((line) => /^\s*[A-Za-z0-9]/.test(line))
  if (!wanted || lines.some((line) => line.includes('--hash'))) return lock
  return [
    ...lock,
    'requirements.txt locks no digests: mv requirements.txt requirements.in && pip-compile --generate-hashes requirements.in',
  ]
}

function packageOf(folder: string): Package | undefined {
  const file = join(folder, 'package.json')
  if (!existsSync(file)) return undefined
  try {
    const parsed: unknown = JSON.parse(readFileSync(file, 'utf8'))
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed) ? parsed : {}
  } catch {
    // A build says what is wrong with it; here it is only not readable.
    return {}
  }
}

/** "@acme/My Shop" -> "my-shop"; "app" when nothing is left. */
function appName(text: string): string {
  const plain = text
    .replace(/^@[^/]*\//, '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9._+-]+/g, '-')
    .replace(/^[^a-z]+/, '')
    .replace(/[-.]+$/, '')
    .slice(0, 64)
  return plain === '' || ['current', 'releases', 'shared'].includes(plain) ? 'app' : plain
}

/** Compiled programs at the top and in bin/, relative. */
function programsIn(folder: string): readonly string[] {
  return ['', 'bin'].flatMap((below) => {
    const dir = join(folder, below)
    if (!existsSync(dir) || !lstatSync(dir).isDirectory()) return []
    return readdirSync(dir, { withFileTypes: true })
      .filter((entry) => entry.isFile() && isElf(join(dir, entry.name)))
      .map((entry) => join(below, entry.name))
      .toSorted()
  })
}

function isElf(file: string): boolean {
  const descriptor = openSync(file, 'r')
  try {
    const head = Buffer.alloc(4)
    readSync(descriptor, head, 0, 4, 0)
    return head.equals(Buffer.from([0x7f, 0x45, 0x4c, 0x46]))
  } finally {
    closeSync(descriptor)
  }
}
