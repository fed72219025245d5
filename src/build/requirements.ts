/** requirements.txt as a lockfile: each package with one version and the digests of its files, as `pip install --require-hashes` wants it. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ShipError } from '../errors.ts'

/** Where packages are found, and what else says nothing about which they are. */
const OPTIONS =
  /^(?:-i|--index-url|--extra-index-url|-f|--find-links|--no-index|--no-binary|--only-binary|--prefer-binary|--pre)(?:[ =]|$)/
const PINNED =
  /^([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[[^\]]*\])?\s*(?:===?\s*([^\s;,*]+)|@\s*https?:\/\/\S+)\s*(?:;.*)?$/
const HASH = /\s--hash[= ]sha(?:256:[0-9a-f]{64}|384:[0-9a-f]{96}|512:[0-9a-f]{128})(?=\s|$)/g
/** Lockfiles of other programs, and how each becomes a requirements.txt. */
const OTHERS = {
  'uv.lock': 'uv export --no-dev --no-emit-project -o requirements.txt',
  'poetry.lock': 'poetry export -o requirements.txt',
  'pdm.lock': 'pdm export --prod -o requirements.txt',
  'Pipfile.lock': 'pipenv requirements --hash > requirements.txt',
}
const SHOWN = 5

export interface Requirement {
  /** As PyPI compares names: lower case, `-` between words. */
  readonly name: string
  /** Undefined for one that is fetched from its own URL. */
  readonly version: string | undefined
}

/** The name of a package as PyPI compares it. */
export function normalName(name: string): string {
  return name.toLowerCase().replaceAll(/[-_.]+/g, '-')
}

/** Rejects (reason `build`) lines that leave open what is installed, each with its number. */
export function parseRequirements(text: string, file = 'requirements.txt'): readonly Requirement[] {
  const found: Requirement[] = []
  const open: string[] = []
  for (const { line, number } of logicalLines(text)) {
    if (OPTIONS.test(line)) continue
    const bare = line.replaceAll(HASH, '').trim()
    const [, name, version] = PINNED.exec(bare) ?? []
    if (name !== undefined && bare !== line.trim()) found.push({ name: normalName(name), version })
    else open.push(`${file}:${number}: ${problemOf(bare, name !== undefined)}`)
  }
  if (open.length === 0) return found
  throw new ShipError('build', `${file} does not lock what is installed`, {
    state: 'nothing was written to dist/',
    details: [...open.slice(0, SHOWN), ...(open.length > SHOWN ? [`and ${open.length - SHOWN} more lines`] : [])],
    next: [
      'keep your own list in requirements.in, and lock it:',
      `pip-compile --generate-hashes -o ${file} requirements.in`,
      `or: uv pip compile --generate-hashes -o ${file} requirements.in`,
    ],
  })
}

/** The lockfile of another program, and the command that makes a requirements.txt of it. */
export function otherLockfile(folder: string): { readonly file: string; readonly command: string } | undefined {
  const found = Object.entries(OTHERS).find(([name]) => existsSync(join(folder, name)))
  return found && { file: found[0], command: found[1] }
}

/** Whether `folder` has a wheel of each requirement, so that no index need be asked. `ending`: only such wheels count. */
export function coversAll(folder: string, requirements: readonly Requirement[], ending = '.whl'): boolean {
  if (!existsSync(folder)) return false
  const wheels = new Set(
    readdirSync(folder)
      .filter((file) => file.endsWith(ending))
      .flatMap((file) => {
        const [, name = '', version = ''] = /^([^-]+)-([^-]+)-.+\.whl$/.exec(file) ?? []
        return name === '' ? [] : [`${normalName(name)} ${version}`]
      }),
  )
  return requirements.every(({ name, version }) => version !== undefined && wheels.has(`${name} ${version}`))
}

/** `any` when all that is installed are wheels of `wheels/` for any platform. */
export async function pythonPlatform(sources: string): Promise<'any' | 'native'> {
  const requirements = readRequirements(sources) ?? []
  const wheels = join(sources, 'wheels')
  return Promise.resolve(
    requirements.length === 0 || coversAll(wheels, requirements, '-none-any.whl') ? 'any' : 'native',
  )
}

/** The requirements of a folder; undefined when it has none. */
export function readRequirements(folder: string): readonly Requirement[] | undefined {
  const file = join(folder, 'requirements.txt')
  return existsSync(file) ? parseRequirements(readFileSync(file, 'utf8')) : undefined
}

/** Lines that end in a backslash go on; comments start at the line's start or after a space. */
function logicalLines(text: string): readonly { readonly line: string; readonly number: number }[] {
  const lines: { line: string; number: number }[] = []
  let open: { line: string; number: number } | undefined
  for (const [index, raw] of text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .entries()) {
    const goesOn = raw.endsWith('\\')
    const part = (goesOn ? raw.slice(0, -1) : raw).replace(/(?:^|\s+)#.*$/, '')
    open = { line: `${open?.line ?? ''} ${part}`, number: open?.number ?? index + 1 }
    if (goesOn) continue
    lines.push(open)
    open = undefined
  }
  return [...lines, ...(open ? [open] : [])].map((l) => ({ ...l, line: l.line.trim() })).filter((l) => l.line !== '')
}

function problemOf(bare: string, pinned: boolean): string {
  if (/^(?:-r|--requirement|-c|--constraint)\b/.test(bare))
    return `"${bare}" names another file; a lockfile is one file`
  if (/^(?:-e|--editable)\b|^[./]/.test(bare))
    return `"${bare}" is a folder or file, which has no digest; put a wheel of it into wheels/`
  return pinned ? `"${bare}" has no --hash=sha256:...` : `"${bare}" has no version of its own (name==1.2.3)`
}
