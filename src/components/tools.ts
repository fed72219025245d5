/** Programs of the building machine: which ones these are, so that a result made with others is not taken for the same. */
import { existsSync, realpathSync, statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { arch, platform, release } from 'node:os'
import { join } from 'node:path'
import { ShipError } from '../errors.ts'
import { runLocal } from '../process.ts'
import { digestIfThere } from '../file-digest.ts'

/** Programs that are asked another way than by `--version`. */
const ASKED_BY: Readonly<Record<string, string>> = { go: 'version' }
const TIMEOUT_MS = 20_000
const versions = new Map<string, Promise<string>>()

/**
 * First line that a program says of its version, or the digest of its file when it does not say. Rejects (reason `build`) when there is
 * no such program. Asked once.
 */
export function toolVersion(tool: string, signal: AbortSignal): Promise<string> {
  const known = versions.get(tool) ?? askVersion(tool, signal)
  versions.set(tool, known)
  return known
}

async function askVersion(tool: string, signal: AbortSignal): Promise<string> {
  const file = fileOf(tool)
  if (file === undefined)
    throw new ShipError('build', `"${tool}" is needed to build, and is not there`, { next: [`install "${tool}"`] })
  const result = await runLocal([file, ASKED_BY[tool] ?? '--version'], {
    signal,
    timeoutMs: TIMEOUT_MS,
    env: { LC_ALL: 'C.UTF-8' },
  })
  const [line = ''] = `${result.stdout}${result.stderr}`.trim().split('\n')
  if (result.code === 0 && /\d/.test(line)) return line
  return (await digestIfThere(realpathSync(file), 'sha256')) ?? ''
}

function fileOf(tool: string): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(':')
  const all = tool.includes('/') ? [tool] : folders.map((folder) => join(folder, tool))
  return all.find((file) => existsSync(file) && statSync(file).isFile() && (statSync(file).mode & 0o111) !== 0)
}

/** What compiled code is bound to beside the processor: the distribution's release. */
export async function systemName(): Promise<string> {
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '')
  const field = (name: string): string => new RegExp(`^${name}="?([^"\n]*)`, 'm').exec(text)?.[1] ?? ''
  const name = `${field('ID')}${field('VERSION_ID')}`
  return name === '' ? `${platform()} ${release()} ${arch()}` : name
}
