/**
 * An app with a Procfile: built as what it is (a Node app, a Python app, or files), with a program in `bin/` for each process. The programs
 * read `.env` at the top of the tree when a host has one there (`release.shared.optionalFiles`); it is never shipped.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  defineRecipe,
  parseProcfile,
  procfileProcesses,
  pythonPath,
  readProcfile,
  type BuildStep,
  type Launcher,
  type Recipe,
} from '../src/index.ts'
import files from './files.ts'
import nodeApp from './node-app.ts'
import pythonApp from './python-app.ts'

/** What a web process gets where nobody chose a port, as with foreman. */
const PORT = '5000'
const NODE_COMMAND = /^(?:exec\s+)?(?:node|npm|npx)\s/

export default defineRecipe({
  name: 'procfile',
  summary: 'an app with a Procfile: a Node app, a Python app, or files',
  exclude: [
    ...(nodeApp.exclude ?? []),
    ...(pythonApp.exclude ?? []),
    '**/.env',
    '**/.env.!(example|sample|template|dist)',
  ],
  async platform(sources) {
    const { platform = 'any' } = kindOf(sources)
    return typeof platform === 'function' ? platform(sources) : platform
  },
  dependencies: async (context) => (await answer(kindOf(context.sources).dependencies, context)) ?? [],
  sources: async (context) => (await answer(kindOf(context.sources).sources, context)) ?? {},
  tools: async (context) => (await answer(kindOf(context.sources).tools, context)) ?? [],
  cache: true,
  components: async (step) => (await kindOf(step.sources).components?.(step)) ?? [],
  processes: procfileProcesses,
  async build(step) {
    const lines = await readProcfile(step.sources)
    const kind = kindOf(step.sources)
    step.log(`the app is built as ${kind.name}`)
    await kind.build(step)
    for (const { name, command } of lines) await step.bin(name, launcher(step, kind, name, command))
  },
})

function launcher(step: BuildStep, kind: Recipe, name: string, command: string): Launcher {
  const env: Record<string, string> = name === 'web' ? { PORT } : {}
  const shell = { run: [], shell: command, envFile: '.env' }
  if (kind === nodeApp) return { ...shell, env: { ...env, NODE_ENV: 'production' } }
  if (kind !== pythonApp) return { ...shell, env }
  return {
    ...shell,
    env: {
      ...env,
      PYTHONNOUSERSITE: '1',
      PYTHONUNBUFFERED: '1',
      // Nothing that runs writes into its release; an interpreter that comes along finds its modules compiled.
      ...(step.context.layout === 'omnibus' ? {} : { PYTHONDONTWRITEBYTECODE: '1' }),
    },
    paths: { PYTHONPATH: pythonPath(step) },
  }
}

/** Python apps often have a package.json for their pages: of two kinds, the one whose programs the Procfile names. */
function kindOf(sources: string): Recipe {
  const has = (name: string): boolean => existsSync(join(sources, name))
  const python = has('requirements.txt') || has('pyproject.toml')
  if (!has('package.json')) return python ? pythonApp : files
  if (!python || !has('Procfile')) return nodeApp
  const lines = parseProcfile(readFileSync(join(sources, 'Procfile'), 'utf8'))
  return lines.some(({ command }) => NODE_COMMAND.test(command)) ? nodeApp : pythonApp
}

/** What a recipe says of a question that it may answer by the context. */
async function answer<T extends object, C>(
  asked: T | ((context: C) => T | Promise<T>) | undefined,
  context: C,
): Promise<T | undefined> {
  return typeof asked === 'function' ? asked(context) : asked
}
