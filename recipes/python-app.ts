/**
 * A Python app: its files and the packages that requirements.txt locks. With the omnibus layout the interpreter comes along, and `bin/`
 * has the programs of pyproject.toml.
 */
import { join } from 'node:path'
import {
  compileModules,
  defineRecipe,
  pipInstall,
  pythonComponents,
  pythonPath,
  pythonPlatform,
  pythonPrograms,
  type BuildStep,
  type Launcher,
  type Source,
} from '../src/index.ts'

export default defineRecipe({
  name: 'python-app',
  summary: 'a Python app with the packages that requirements.txt locks',
  exclude: [
    '**/__pycache__',
    '**/*.py[co]',
    '**/.venv',
    'venv',
    'wheels',
    '**/.{pytest,mypy,ruff}_cache',
    '**/.tox',
    '**/*.egg-info',
  ],
  platform: pythonPlatform,
  dependencies: ({ layout }) => (layout === 'omnibus' ? ['python'] : []),
  sources: ({ layout }): Record<string, Source> =>
    layout === 'omnibus' ? { pip: { apt: ['python3-pip-whl'], buildOnly: true } } : {},
  tools: ({ layout }) => (layout === 'omnibus' ? [] : ['python3']),
  cache: true,
  components: (step) => pythonComponents(step),
  async build(step) {
    const omnibus = step.context.layout === 'omnibus'
    const python = omnibus ? join(step.embedded, 'bin/python3') : 'python3'
    await step.copy()
    await pipInstall(step, {
      python,
      ...(omnibus ? { pipWheels: join(step.source('pip'), 'usr/share/python-wheels') } : {}),
    })
    for (const [name, file] of Object.entries(await pythonPrograms(step, python)))
      await step.bin(name, pythonLauncher(step, file))
    // Without an interpreter of its own the tree cannot know which one will run it.
    if (omnibus) await compileModules(step, python)
  },
})

/** A program of the app, with the app's modules and packages on its path. */
function pythonLauncher(step: BuildStep, file: string): Launcher {
  const omnibus = step.context.layout === 'omnibus'
  const paths = { PYTHONPATH: pythonPath(step) }
  // Modules that an interpreter would compile beside their sources would make a release another one than was sent, and no way back.
  const env = { PYTHONNOUSERSITE: '1', ...(omnibus ? {} : { PYTHONDONTWRITEBYTECODE: '1' }) }
  if (omnibus) return { run: ['embedded/bin/python3', join('app', file)], paths, env }
  return { run: [file], interpreter: 'python3', paths, env }
}
