/**
 * Bundles of ship by rolldown. What ship carries besides code (host scripts, built-in recipes, its version) is read by two modules,
 * `src/own-files.ts` and `src/components/built-in.ts`; in a bundle another text, with all of it inside, stands for each.
 */
import { createHash } from 'node:crypto'
import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { rolldown, type Plugin, type OutputOptions, type RolldownOutput } from 'rolldown'

const ROOT = join(import.meta.dirname, '..')

/** ssh2 is CommonJS and asks for these; everything else is told by `import.meta`. */
const BANNER = `const __filename = import.meta.filename
const __dirname = import.meta.dirname
`

/** The action as one file: text of `action/index.js`, and the licences of what is in it. */
export async function actionBundle(): Promise<{ readonly code: string; readonly licenses: string }> {
  const build = await rolldown({
    input: join(ROOT, 'src/action/main.ts'),
    cwd: ROOT,
    platform: 'node',
    // Native add-ons of ssh2, which does without them.
    external: [/\.node$/, 'cpu-features'],
    plugins: [carried('one file'), clientOnly()],
    logLevel: 'warn',
  })
  const { output } = await build.generate({
    ...OPTIONS,
    codeSplitting: false,
    // Names stay: a stack in somebody's log should say where it was.
    minify: { compress: true, mangle: false, codegen: { removeWhitespace: true } },
    banner: BANNER,
  })
  await build.close()
  const [chunk] = output
  if (output.length !== 1) throw new Error(`the action became ${output.length} files`)
  return { code: chunk.code, licenses: licensesOf(output) }
}

/**
 * The code of the package, in `dist/`: `main.js` for the command line and `index.js` for configurations, which share what both need, so that
 * a module exists once. What every command loads of npm comes inside, for hundreds of small files cost more than all of ship; the rest stays
 * outside.
 */
export async function packageBundle(dir: string): Promise<void> {
  const { dependencies } = JSON.parse(read('package.json')) as { dependencies: object }
  const outside = Object.keys(dependencies).filter((name) => !INSIDE.includes(name))
  const build = await rolldown({
    input: { main: join(ROOT, 'src/main.ts'), index: join(ROOT, 'src/index.ts') },
    cwd: ROOT,
    platform: 'node',
    external: ['cpu-features', ...outside.map((name) => new RegExp(`^${name}(?:/|$)`))],
    plugins: [carried('package'), clientOnly(), addOnWhereInstalled()],
    logLevel: 'warn',
  })
  const { output } = await build.write({
    ...OPTIONS,
    dir,
    chunkFileNames: '[name]-[hash].js',
    codeSplitting: {
      groups: [
        { name: 'ssh2', test: SSH2 },
        { name: 'sftp-client', test: SFTP_CLIENT },
      ],
    },
    banner: (chunk) => (chunk.name === 'ssh2' ? BANNER : ''),
  })
  await build.close()
  writeFileSync(join(dir, 'LICENSES.txt'), licensesOf(output))
}

const INSIDE = ['commander', 'picomatch', 'semver', 'spdx-expression-parse', 'ssh2', 'ssh2-sftp-client', 'yaml', 'zod']

/** With what only ssh2 needs: a chunk of its own, which a command without hosts does not load. */
const SSH2 = /\/node_modules\/(?:asn1|bcrypt-pbkdf|safer-buffer|ssh2|tweetnacl)\//

/** The same for hosts without a shell. */
const SFTP_CLIENT =
  /\/node_modules\/(?:buffer-from|concat-stream|inherits|readable-stream|safe-buffer|ssh2-sftp-client|string_decoder|typedarray|util-deprecate)\//

/** Names and licences of the packages whose code is in a bundle: they want to be told wherever it goes. */
function licensesOf(output: RolldownOutput['output']): string {
  const modules = output.flatMap((chunk) => (chunk.type === 'chunk' ? Object.keys(chunk.modules) : []))
  const folders = modules.flatMap((id) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(id)?.[0] ?? [])
  const texts = [...new Set(folders)].toSorted().map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Named
    const [file] = globSync('{LICENSE,LICENCE,license,licence}*', { cwd: folder })
    const text = file === undefined ? '' : `\n${readFileSync(join(folder, file), 'utf8').trim()}\n`
    return `${name} ${version} (${license})\n${text}`
  })
  return texts.join(`\n${'-'.repeat(80)}\n\n`)
}

interface Named {
  readonly name: string
  readonly version: string
  readonly license: string
}

const OPTIONS: OutputOptions = { format: 'esm', comments: { legal: true } }

/** Ship is a client and uses keys that are there: ssh2 has more, for which it would also load node:http. */
function clientOnly(): Plugin {
  const rest = /\/ssh2\/lib\/(?:http-agents|keygen|server)\.js$/
  return { name: 'client only', load: (id) => (rest.test(id) ? 'module.exports = {}' : undefined) }
}

/** The native add-on of ssh2 is used where npm was let make it: it lies with the installed ssh2, wherever that is from here. */
function addOnWhereInstalled(): Plugin {
  return {
    name: 'add-on',
    resolveId: (id) =>
      id.endsWith('.node') ? { id: id.replace('./', 'ssh2/lib/protocol/'), external: true } : undefined,
  }
}

/** Puts what ship carries into the two modules that read it. */
function carried(form: 'one file' | 'package'): Plugin {
  const texts: Readonly<Record<string, () => string>> = {
    [join(ROOT, 'src/own-files.ts')]: () => ownFilesText(form),
    [join(ROOT, 'src/components/built-in.ts')]: builtInText,
  }
  return { name: 'carried', load: (id) => texts[id]?.() }
}

function ownFilesText(form: 'one file' | 'package'): string {
  const scripts = globSync('src/**/*.sh', { cwd: ROOT }).toSorted()
  const files = Object.fromEntries(scripts.map((path) => [path, read(path)]))
  const { version } = JSON.parse(read('package.json')) as { version: string }
  // All that is asked of it; more would make other bytes of each change to it.
  files['package.json'] = JSON.stringify({ version })
  const one = form === 'one file'
  return `
    import { join, sep } from 'node:path'
    const files = ${JSON.stringify(files)}
    export const ROOT = ${one ? 'undefined' : "join(import.meta.dirname, '..')"}
    export const OWN_MODULES = import.meta.dirname + sep
    export const API_URL = ${one ? 'import.meta.url' : "new URL('./index.js', import.meta.url).href"}
    export function ownFile(path) {
      const text = files[path]
      if (text === undefined) throw new Error('ship does not carry ' + path)
      return text
    }
  `
}

function builtInText(): string {
  const recipes = globSync('recipes/*.ts', { cwd: ROOT }).toSorted()
  const entries = recipes.map((path) => {
    const digest = createHash('sha256').update(read(path)).digest('hex')
    const fields = [
      `load: () => import(${JSON.stringify(join(ROOT, path))})`,
      `text: ${JSON.stringify({ [path]: digest })}`,
      `place: ${JSON.stringify(`the recipe "${basename(path, '.ts')}" of ship`)}`,
    ]
    return `${JSON.stringify(basename(path, '.ts'))}: { ${fields.join(', ')} }`
  })
  return `
    const recipes = { ${entries.join(', ')} }
    export const builtInNames = () => Object.keys(recipes)
    export async function builtIn(name) {
      const { load, text, place } = recipes[name]
      return { value: (await load()).default, text, place }
    }
  `
}

function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8')
}

if (process.argv[1] === import.meta.filename) {
  mkdirSync(join(ROOT, 'action'), { recursive: true })
  const { code, licenses } = await actionBundle()
  writeFileSync(join(ROOT, 'action/index.js'), code)
  writeFileSync(join(ROOT, 'action/LICENSES.txt'), licenses)
}
