/**
 * Where the loader would find each library, played through without running it, by the rules of ld.so(8): a library that is loaded
 * already counts by its name; else the RPATH of the file, of its loaders and of the program (each of those that have no RUNPATH), or, when
 * the file has a RUNPATH, that one alone. A file of another processor is passed over.
 *
 * Libraries that no program of the tree loads by itself are plugins: some program opens them later. For those it is enough when any
 * program of the tree has the library loaded, or leads there by its RPATH.
 */
import type { ElfFile } from './read.ts'
import { folderOf, readElement } from './search-path.ts'
import type { TreePaths } from './paths.ts'

/** Where a needed library comes from: a file of the tree, the host, or nowhere that the loader looks. */
type Source = { readonly kind: 'tree'; readonly path: string } | { readonly kind: 'host' | 'missing' }

export interface LoaderOptions {
  /** Dynamic files of the tree for one processor, by path. */
  readonly files: ReadonlyMap<string, ElfFile>
  readonly paths: TreePaths
  readonly prefix: string | undefined
  /** Whether the host may give a library of this name. */
  readonly fromHost: (library: string) => boolean
}

interface Loaded {
  readonly path: string
  /** `$ORIGIN`: the folder of the name that it was opened by. */
  readonly origin: string
  readonly elf: ElfFile
  readonly loader: Loaded | undefined
}

/** What programs of the tree have loaded, for plugins. */
interface Around {
  readonly names: Map<string, Source>
  readonly folders: Set<string>
}

/** The worst source of each needed library: by the file that needs it, then by the library's name. */
export type Needs = ReadonlyMap<string, ReadonlyMap<string, Source>>

export function playLoader(options: LoaderOptions): Needs {
  const needs = new Map<string, Map<string, Source>>()
  const around: Around = { names: new Map(), folders: new Set() }
  const programs = [...options.files].filter(([, elf]) => elf.type === 'executable')
  for (const [path, elf] of programs) {
    const program = { path, origin: folderOf(path), elf, loader: undefined }
    const names = load(program, options, needs)
    for (const [name, source] of names) around.names.set(name, source)
    for (const folder of rpathFolders([program], options)) around.folders.add(folder)
  }
  for (const path of inOrderOfLoading(options, needs)) {
    const elf = options.files.get(path)
    if (!elf || needs.has(path)) continue
    load({ path, origin: folderOf(path), elf, loader: undefined }, options, needs, around)
  }
  return needs
}

/** Plugins first, then libraries that only plugins load, which are played with them. */
function inOrderOfLoading(options: LoaderOptions, needs: Needs): string[] {
  const rest = [...options.files].filter(([path]) => !needs.has(path))
  const loadedByAnother = new Set(
    rest.flatMap(([path, elf]) => {
      const self = { path, origin: folderOf(path), elf, loader: undefined }
      return elf.needed.flatMap((name) => {
        const found = search(name, self, options)
        return found && found.path !== path ? [found.path] : []
      })
    }),
  )
  const paths = rest.map(([path]) => path)
  return [...paths.filter((p) => !loadedByAnother.has(p)), ...paths.filter((p) => loadedByAnother.has(p))]
}

/** Loads a program or plugin and all that it needs, breadth first; returns what is loaded, by name. */
function load(first: Loaded, options: LoaderOptions, needs: Map<string, Map<string, Source>>, around?: Around) {
  const names = new Map<string, Source>()
  const loaded = new Set([first.path])
  if (first.elf.soname !== undefined) names.set(first.elf.soname, { kind: 'tree', path: first.path })
  const queue = [first]
  for (const object of queue) {
    const own = needs.get(object.path) ?? new Map<string, Source>()
    needs.set(object.path, own)
    for (const name of object.elf.needed) {
      const found = names.has(name) ? undefined : search(name, object, options, around)
      const source: Source =
        names.get(name) ?? (found ? { kind: 'tree', path: found.path } : elsewhere(name, options, around))
      if (source.kind !== 'missing') names.set(name, source)
      // Each program may answer differently: what is missing for one of them is missing.
      if (own.get(name)?.kind !== 'missing') own.set(name, source)
      if (!found || loaded.has(found.path)) continue
      loaded.add(found.path)
      if (found.elf.soname !== undefined && !names.has(found.elf.soname)) names.set(found.elf.soname, source)
      queue.push(found)
    }
  }
  return names
}

function elsewhere(name: string, { fromHost }: LoaderOptions, around: Around | undefined): Source {
  const known = around?.names.get(name)
  if (known?.kind === 'tree') return known
  return fromHost(name) ? { kind: 'host' } : (known ?? { kind: 'missing' })
}

function search(name: string, object: Loaded, options: LoaderOptions, around?: Around): Loaded | undefined {
  for (const opened of candidates(name, object, options, around)) {
    const path = options.paths.resolve(opened)
    const elf = path === undefined ? undefined : options.files.get(path)
    if (path === undefined || !elf || elf.bits !== object.elf.bits || elf.cpu !== object.elf.cpu) continue
    return { path, origin: folderOf(opened), elf, loader: object }
  }
  return undefined
}

/** Paths of the tree that the loader would try to open for a library. */
function candidates(name: string, object: Loaded, options: LoaderOptions, around?: Around): string[] {
  if (name.includes('/')) {
    // A name with a slash is not searched for; one with $ORIGIN is found wherever the tree is.
    const element = readElement(name, object.origin, options.prefix)
    return element.kind === 'tree' ? [element.folder] : []
  }
  const { runpath } = object.elf
  const folders =
    runpath.length > 0
      ? foldersOf(runpath, object.origin, options)
      : [...rpathFolders(chainOf(object), options), ...(around?.folders ?? [])]
  return folders.map((folder) => (folder === '' ? name : `${folder}/${name}`))
}

function chainOf(object: Loaded): Loaded[] {
  const chain: Loaded[] = []
  for (let link: Loaded | undefined = object; link; link = link.loader) chain.push(link)
  return chain
}

function rpathFolders(chain: readonly Loaded[], options: LoaderOptions): string[] {
  return chain.flatMap(({ elf, origin }) => (elf.runpath.length > 0 ? [] : foldersOf(elf.rpath, origin, options)))
}

function foldersOf(elements: readonly string[], origin: string, { prefix }: LoaderOptions): string[] {
  return elements.flatMap((text) => {
    const element = readElement(text, origin, prefix)
    return (element.kind === 'tree' || element.kind === 'absolute') && element.folder !== undefined
      ? [element.folder]
      : []
  })
}
