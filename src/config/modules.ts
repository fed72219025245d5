/**
 * Loads a project's own modules (configuration, recipes). `import ... from 'slipway'` in them means the ship that is running, so a
 * project need not install it; TypeScript is run by Node's own type stripping.
 */
import { registerHooks } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { ShipError } from '../errors.ts'
import { API_URL, OWN_MODULES } from '../own-files.ts'

/** Which file imported which, as Node resolved it, for all modules loaded here. */
const imports = new Map<string, Set<string>>()

/** The files that a module imported when it was loaded, and what these imported, absolute; ship's own are left out. */
export function importedFiles(file: string): readonly string[] {
  const found = new Set<string>()
  const visit = (from: string): void => {
    for (const to of imports.get(from) ?? []) {
      if (found.has(to)) continue
      found.add(to)
      visit(to)
    }
  }
  visit(file)
  return [...found].filter((path) => path !== file)
}

function noteImport(from: string | undefined, to: string): void {
  if (from === undefined || !from.startsWith('file:') || !to.startsWith('file:')) return
  const [parent, child] = [from, to].map((url) => fileURLToPath(url.replace(/[?#].*$/, '')))
  if (parent === undefined || child === undefined || child.startsWith(OWN_MODULES)) return
  imports.set(parent, (imports.get(parent) ?? new Set()).add(child))
}

/** The default export of a module. Syntax errors, throws and a missing default export are errors with their place. */
export async function importModule(file: string): Promise<unknown> {
  const url = pathToFileURL(file).href
  const hooks = registerHooks({
    resolve(specifier, context, next) {
      if (specifier === 'slipway') return { url: API_URL, shortCircuit: true }
      const resolved = next(specifier, context)
      noteImport(context.parentURL, resolved.url)
      // Told outright, Node need not guess (and warn) in projects whose package.json names no module type.
      if (resolved.url.split('?')[0] === url && file.endsWith('.ts'))
        return { ...resolved, format: 'module-typescript' }
      if (resolved.url.split('?')[0] === url && file.endsWith('.js') && resolved.format == null)
        return { ...resolved, format: 'module' }
      return resolved
    },
  })
  try {
    const module: unknown = await import(url)
    if (typeof module === 'object' && module !== null && 'default' in module) return module.default
  } catch (error) {
    throw loadError(file, error)
  } finally {
    hooks.deregister()
  }
  throw new ShipError('config', `"${file}" has no default export`, {
    next: ['write: export default defineConfig({ ... })'],
  })
}

function loadError(file: string, error: unknown): ShipError {
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error)
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  // Node puts the place of a syntax error, with the line itself, at the head of the stack.
  const place = new RegExp(`${escapePattern(file)}:(\\d+)(?::(\\d+))?`).exec(stack)
  const where = place ? `${file}:${place[1]}${place[2] === undefined ? '' : `:${place[2]}`}` : file
  const message = error instanceof Error ? error.message.split('\n')[0] : String(error)
  const next =
    code === 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX'
      ? ['enum, namespace and parameter properties cannot be stripped: write them as plain values']
      : code === 'ERR_MODULE_NOT_FOUND'
        ? ['relative imports need their ending (./hosts.ts); packages must be installed in the project']
        : []
  return new ShipError('config', `${where} could not be loaded: ${message}`, { cause: error, next })
}

function escapePattern(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
}
