/** What a file says about itself that cannot work: its processor, its loader, its search paths. */
import type { Problem } from './problem.ts'
import { isMuslLoader, isUsualLoader, usesMusl, usualLoader } from './host.ts'
import type { ElfFile } from './read.ts'
import { folderOf, originForm, readElement } from './search-path.ts'

export interface RuleOptions {
  readonly cpu: string
  readonly prefix: string | undefined
  /** Whether all targets have glibc. */
  readonly glibc: boolean
}

type Said = Omit<Problem, 'path'>

/** The problems of a program or library by itself. One for another processor has that one problem only. */
export function fileProblems(path: string, elf: ElfFile, options: RuleOptions): Problem[] {
  if (elf.cpu !== options.cpu) {
    const problem = `is for ${elf.cpu === 'other' ? 'another processor' : elf.cpu}, and the tree is for ${options.cpu}`
    return [{ path, problem, cure: `take the build for ${options.cpu}, or leave the file out` }]
  }
  return [loaderProblem(elf, options), ...searchPathProblems(path, elf, options)].flatMap((said) =>
    said ? [{ path, ...said }] : [],
  )
}

function loaderProblem(elf: ElfFile, { cpu, glibc }: RuleOptions): Said | undefined {
  const { interpreter } = elf
  if (glibc && usesMusl(elf)) {
    const by = interpreter === undefined ? '' : ` (its loader is "${interpreter}")`
    return {
      problem: `is made for musl${by}, and the targets have glibc`,
      cure: 'take the build for glibc, or link it statically',
    }
  }
  if (interpreter === undefined || isUsualLoader(interpreter, cpu) || isMuslLoader(interpreter)) return undefined
  const usual = usualLoader(cpu)
  return {
    problem: `has "${interpreter}" as its loader, which hosts do not have`,
    cure:
      usual === undefined
        ? 'link it with the loader of the hosts'
        : `link it with -Wl,--dynamic-linker=${usual}, or run: patchelf --set-interpreter ${usual}`,
  }
}

function searchPathProblems(path: string, elf: ElfFile, { prefix }: RuleOptions): Said[] {
  // The loader does not read the RPATH of a file that has a RUNPATH.
  const [kind, elements] = elf.runpath.length > 0 ? ['RUNPATH', elf.runpath] : ['RPATH', elf.rpath]
  const from = folderOf(path)
  return [...new Set(elements)].flatMap((text): Said[] => {
    const element = readElement(text, from, prefix)
    if (element.kind === 'tree' || element.kind === 'host') return []
    if (element.kind === 'outside') {
      const problem = `looks for libraries outside of the tree: its ${kind} has "${text}"`
      return [{ problem, cure: 'put these libraries into the tree, and let the path lead there' }]
    }
    if (element.kind === 'current') {
      const what = text === '' ? 'an empty folder' : `"${text}"`
      const problem = `looks for libraries in the folder it is started in: its ${kind} has ${what}`
      return [{ problem, cure: text === '' ? 'take the empty one out' : `write it as "$ORIGIN/${text}"` }]
    }
    const to = element.folder
    const cure =
      to === undefined
        ? 'take it out, or write it relative to the file: "$ORIGIN/..."'
        : `write it as "${originForm(from, to)}"`
    return [{ problem: `works in one place only: its ${kind} has the absolute folder "${text}"`, cure }]
  })
}
