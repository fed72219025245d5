/**
 * The house's rules as a test: who may import whom, no cycles, no rooms for leftovers, no room too large.
 * A violation is named with the import and the reason.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = resolve(import.meta.dirname, '..')
const KINDS = ['drain', 'formats', 'gates', 'transport']

/** Room -> rooms it may import, leaves (`src/*.ts`) always allowed. A room may import itself, except a kind another kind. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  leaves: [],
  tree: [],
  ssh: [],
  formats: ['tree'],
  drain: [],
  gates: [],
  transport: ['ssh', 'tree'],
  deb: ['formats', 'elf', 'tree'],
  config: [...KINDS, 'deb', 'elf', 'tree'],
  sources: ['tree'],
  elf: ['tree'],
  trust: ['formats', 'deb', 'tree'],
  components: ['sources', 'elf', 'config', 'formats', 'tree'],
  build: ['components', 'sources', 'elf', 'deb', 'config', 'trust', 'formats', 'tree'],
  host: ['transport', 'formats', 'tree'],
  fleet: ['host', 'config', ...KINDS],
  release: ['fleet', 'host', 'build', 'config', 'tree', ...KINDS],
  remote: ['host', 'config', 'transport', 'tree'],
  tasks: ['remote', 'fleet', 'host', 'config', 'transport', 'tree'],
  starter: [],
  provision: ['fleet', 'host', 'config', 'ssh', ...KINDS],
  ui: [],
  commands: [
    'release',
    'remote',
    'tasks',
    'fleet',
    'host',
    'build',
    'components',
    'deb',
    'config',
    'trust',
    'provision',
    'starter',
    'ui',
    'ssh',
    'tree',
    ...KINDS,
  ],
  main: ['commands', 'ui'],
  action: ['main', 'index', 'ssh', 'ui', 'release', 'build'],
  // The public API re-exports; nobody inside imports it but recipes.
  index: ['release', 'remote', 'fleet', 'build', 'config', 'tree', 'host', ...KINDS],
  recipes: ['index'],
}

/** Files above 250 lines, each with why it is better in one piece. */
const LONG_FILES: Record<string, string> = {}

interface Import {
  readonly from: string
  readonly to: string
  readonly line: number
  readonly static: boolean
}

const files = [...sources('src'), ...sources('recipes')]
const imports = files.flatMap(importsOf)

describe('architecture', () => {
  it('imports flow one way', () => {
    const wrong = imports.filter(({ from, to }) => {
      const [a, b] = [room(from), room(to)]
      return a !== b && b !== 'leaves' && !(MAY_IMPORT[a] ?? []).includes(b)
    })
    expect(wrong.map(({ from, to, line }) => `${from}:${line} imports ${to} (${room(from)} -> ${room(to)})`)).toEqual(
      [],
    )
  })

  it('knows every room', () => {
    expect([...new Set(files.map(room))].filter((name) => !(name in MAY_IMPORT))).toEqual([])
  })

  it('has no cycle of static imports', () => {
    const graph = Map.groupBy(
      imports.filter((i) => i.static),
      (i) => i.from,
    )
    const state = new Map<string, 'open' | 'done'>()
    const cycles: string[] = []
    const visit = (file: string, path: readonly string[]): void => {
      if (state.get(file) === 'done') return
      if (state.get(file) === 'open') {
        cycles.push([...path.slice(path.indexOf(file)), file].join(' -> '))
        return
      }
      state.set(file, 'open')
      for (const { to } of graph.get(file) ?? []) visit(to, [...path, file])
      state.set(file, 'done')
    }
    for (const file of files) visit(file, [])
    expect(cycles).toEqual([])
  })

  it('has no file for leftovers', () => {
    expect(files.filter((file) => /(^|[/-])(utils?|helpers?|common|misc)[./-]/.test(file))).toEqual([])
  })

  it('keeps files under 250 lines', () => {
    const long = files.filter((file) => text(file).split('\n').length > 251 && !(file in LONG_FILES))
    expect(long.map((file) => `${file}: ${text(file).split('\n').length - 1} lines`)).toEqual([])
  })

  it('sees a planted violation', () => {
    // The test itself must be able to fail: a leaf that imports a room, seen by the same functions.
    const planted = parse('src/names.ts', "import { x } from './release/plan.ts'\n")
    expect(planted).toEqual([{ from: 'src/names.ts', to: 'src/release/plan.ts', line: 1, static: true }])
    expect(MAY_IMPORT[room('src/names.ts')]).not.toContain(room('src/release/plan.ts'))
  })
})

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((name) => name.endsWith('.ts'))
    .toSorted()
}

function room(file: string): string {
  const [top, second = ''] = file.split('/')
  if (top === 'recipes') return 'recipes'
  if (second === 'main.ts') return 'main'
  if (second === 'index.ts') return 'index'
  return second.endsWith('.ts') ? 'leaves' : second
}

function importsOf(file: string): Import[] {
  return parse(file, text(file))
}

/** Static imports and re-exports (types too: they bind rooms all the same), and dynamic imports of a literal path. */
function parse(file: string, source: string): Import[] {
  const found: Import[] = []
  for (const match of source.matchAll(
    /(?:^|\n)(import|export)\b[^'";]*?from\s+'(\.[^']+)'|import\(\s*'(\.[^']+)'\s*\)/g,
  )) {
    const path = match[2] ?? match[3] ?? ''
    const isType = /^\s*(import|export)\s+type\b/.test(match[0])
    found.push({
      from: file,
      to: relative(root, resolve(root, dirname(file), path)),
      line: source.slice(0, match.index).split('\n').length + (match[0].startsWith('\n') ? 1 : 0),
      static: match[2] !== undefined && !isType,
    })
  }
  return found
}

function text(file: string): string {
  return readFileSync(join(root, file), 'utf8')
}
