/** Finds the configuration upward from a folder, reads it in any of its forms, and checks it. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, relative, resolve } from 'node:path'
import { messageOf, ShipError } from '../errors.ts'
import { parseAppName, type AppName } from '../names.ts'
import { findUpward } from '../config-file.ts'
import { importModule } from './modules.ts'
import { configSchema, type Config } from './schema.ts'

export interface Project {
  /** Folder of the configuration; paths in it are relative to this. */
  readonly dir: string
  readonly file: string
  readonly name: AppName
  readonly config: Config
  /** What the user wrote, after functions and promises, before defaults: where values come from. */
  readonly written: unknown
}

export interface LoadOptions {
  readonly cwd: string
  /** Instead of looking upward. */
  readonly configFile?: string | undefined
}

/** Rejects with reason `config`, with file, line and column where they are known. */
export async function loadProject({ cwd, configFile }: LoadOptions): Promise<Project> {
  const file = configFile === undefined ? findUpward(cwd) : resolve(cwd, configFile)
  if (file === undefined) {
    throw new ShipError('config', `no ship.config.{ts,mts,js,mjs,json,yaml,yml} in "${cwd}" or above`, {
      next: ['ship init writes one; or name yours: --config FILE'],
    })
  }
  if (!existsSync(file)) throw new ShipError('config', `"${configFile}" does not exist`)
  const shown = relative(cwd, file) || file
  const written = withoutFree(await read(file, shown))
  const source = { file: shown, text: readFileSync(file, 'utf8') }
  const parsed = configSchema.safeParse(written, { reportInput: true, jitless: true })
  if (!parsed.success) {
    const { explain } = await import('./explain.ts')
    throw explain(parsed.error.issues, configSchema, source)
  }
  return { dir: dirname(file), file, name: parseAppName(parsed.data.name), config: parsed.data, written }
}

async function read(file: string, shown: string): Promise<unknown> {
  if (/\.(json|ya?ml)$/.test(file)) return readData(file, shown)
  const exported = await importModule(file)
  if (typeof exported !== 'function') return exported
  try {
    return await (exported as () => unknown)()
  } catch (error) {
    throw error instanceof ShipError
      ? error
      : new ShipError('config', `${shown} threw: ${messageOf(error)}`, { cause: error })
  }
}

/**
 * What is wrong in JSON is told by the YAML reader too, for its positions; what only YAML allows is still refused in a .json file. The reader is
 * loaded for them alone: it is the largest part of what a configuration may need.
 */
async function readData(file: string, shown: string): Promise<unknown> {
  const text = readFileSync(file, 'utf8')
  if (file.endsWith('.json')) {
    const value = plainJson(text)
    if (value !== undefined) return value
  }
  const [{ parseDocument }, { placeText }] = await Promise.all([import('yaml'), import('./locate.ts')])
  const document = parseDocument(text, { prettyErrors: false, version: '1.2' })
  const [error] = document.errors
  if (error) throw new ShipError('config', `${placeText(shown, text, error.pos[0])}  ${error.message.split('\n')[0]}`)
  if (!file.endsWith('.json')) return document.toJS({ maxAliasCount: 100 })
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new ShipError('config', `${shown}  ${messageOf(cause)}`, { cause })
  }
}

/** A JSON text in which no key stands twice; `JSON.parse` would take the last one without a word. Undefined where anything is wrong. */
function plainJson(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text)
    const strings = text.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?/g)
    return [...strings].filter(([, colon]) => colon !== undefined).length === keysIn(value) ? value : undefined
  } catch {
    return undefined
  }
}

function keysIn(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  const inner = Object.values(value).reduce<number>((sum, one) => sum + keysIn(one), 0)
  return inner + (Array.isArray(value) ? 0 : Object.keys(value).length)
}

const HEADERS = new Set(['headers', 'expectHeaders'])

/** Keys that start with `x-` are the user's own. */
function withoutFree(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutFree)
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value
  const kept = Object.entries(value).filter(([key]) => !key.startsWith('x-'))
  // Names of HTTP headers often begin like that, and mean something.
  return Object.fromEntries(kept.map(([key, inner]) => [key, HEADERS.has(key) ? inner : withoutFree(inner)]))
}
