/** Procfiles: a line `name: command` for each kind of process of an app. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf, ShipError } from '../errors.ts'
import type { AppProcess } from '../recipe.ts'

export interface ProcfileLine {
  readonly name: string
  /** For a shell, in the app's folder. */
  readonly command: string
}

const FILE = 'Procfile'
const LINE = /^([A-Za-z0-9][A-Za-z0-9_-]*)[ \t]*:[ \t]*(\S.*)$/
const SHOWN = 5

/** Rejects (reason `build`) with all bad lines and their numbers. */
export function parseProcfile(text: string): readonly ProcfileLine[] {
  const at = new Map<string, number>()
  const found: ProcfileLine[] = []
  const bad: string[] = []
  for (const [index, raw] of text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .entries()) {
    const line = raw.trim()
    if (line === '' || line.startsWith('#')) continue
    const [, name = '', command = ''] = LINE.exec(line) ?? []
    const before = at.get(name)
    const problem =
      name === '' ? lineProblem(line) : before === undefined ? undefined : `"${name}" stands in line ${before} already`
    if (problem !== undefined) bad.push(`${FILE}:${index + 1}: ${problem}`)
    else found.push({ name, command })
    if (name !== '' && before === undefined) at.set(name, index + 1)
  }
  if (bad.length === 0 && found.length > 0) return found
  throw new ShipError('build', bad.length > 0 ? `the ${FILE} cannot be read` : `the ${FILE} names no process`, {
    state: 'nothing was written to dist/',
    details: [...bad.slice(0, SHOWN), ...(bad.length > SHOWN ? [`and ${bad.length - SHOWN} more lines`] : [])],
    next: ['write a line for each process: web: node server.js'],
  })
}

function lineProblem(line: string): string {
  const [, name, command] = /^([^:]*):(.*)$/.exec(line) ?? []
  if (name === undefined) return `"${line}" has no name: write "web: ${line}"`
  if (command?.trim() === '') return `"${name.trim()}" has no command`
  return `"${name.trim()}" is no name of a process; use letters, digits, "_" and "-"`
}

/** Rejects (reason `build`) when the folder has no Procfile. */
export async function readProcfile(sources: string): Promise<readonly ProcfileLine[]> {
  const text = await readFile(join(sources, FILE), 'utf8').catch((cause: unknown) => {
    throw new ShipError('build', `there is no ${FILE} in the sources: ${messageOf(cause)}`, {
      cause,
      next: ['write one, with a line for each process: web: node server.js'],
    })
  })
  return parseProcfile(text)
}

/** The processes that run all the time: `release` runs once for each release. */
export async function procfileProcesses(sources: string): Promise<readonly AppProcess[]> {
  return (await readProcfile(sources)).filter(({ name }) => name !== 'release').map(({ name }) => ({ name, bin: name }))
}
