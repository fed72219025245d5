/** `ship init` in projects of each kind: what it finds, what it writes, and that it writes over nothing. */
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { loadProject } from '../../src/config/load.ts'
import { configText, type Chosen } from '../../src/starter/config-text.ts'
import { lookAt } from '../../src/starter/look.ts'
import { workflowText } from '../../src/starter/workflow-text.ts'
import { HAS_TERMINAL, shipOnTerminal } from '../support/cli.ts'
import { smallProject, type SmallProject } from '../support/project.ts'

const IMPORT = "import { defineConfig } from 'slipway'"
const FIXTURES = join(import.meta.dirname, '../../fixtures')
let project: SmallProject
const all: SmallProject[] = []
beforeEach(() => void all.push((project = smallProject())))
afterAll(() => all.forEach((one) => one.dispose()))

describe('what a project is', () => {
  it.each([
    [{ 'package.json': '{"name":"@acme/shop","version":"1.2.3","scripts":{"start":"node ."}}' }, 'node-app', 'shop'],
    [
      { 'package.json': '{"name":"pages","scripts":{"build":"vite"},"devDependencies":{"vite":"1"}}' },
      'static-site',
      'pages',
    ],
    [{ 'index.html': '<p>', css: '' }, 'static-site', undefined],
    [{ 'requirements.txt': '', 'manage.py': '' }, 'python-app', undefined],
    [{ Procfile: 'web: node x', 'package.json': '{"name":"board"}' }, 'procfile', 'board'],
    [{ 'go.mod': 'module x' }, 'binary', undefined],
    [{ 'notes.txt': '' }, 'files', undefined],
    [{ 'package.json': 'not json' }, 'node-app', undefined],
  ])('%o is %s', (files, recipe, name) => {
    project.write(files)
    const found = lookAt(project.dir)
    expect(found.recipe).toBe(recipe)
    expect(found.name).toBe(name ?? found.name)
  })

  it('a compiled program is one, and pages may lie below', () => {
    mkdirSync(join(project.dir, 'bin'))
    cpSync(process.execPath, join(project.dir, 'bin/shop'))
    expect(lookAt(project.dir)).toMatchObject({ recipe: 'binary', bin: { shop: 'bin/shop' } })
    project.write({ 'public/index.html': '<p>' })
    expect(lookAt(project.dir)).toMatchObject({ recipe: 'static-site', from: 'public' })
  })

  it('a module that starts a Python app is a program, unless the project names its own', () => {
    project.write({ 'requirements.txt': '', 'app.py': '', 'pyproject.toml': '[project]\nname = "blog"\n' })
    expect(Object.values(lookAt(project.dir).bin)).toEqual(['app.py'])
    project.write({ 'pyproject.toml': '[project.scripts]\nblog = "blog:main"\n' })
    expect(lookAt(project.dir).bin).toEqual({})
  })

  it('says what a build will want', () => {
    project.write({ 'package.json': '{"name":"shop","version":"1.0.0","scripts":{"start":"x"}}' })
    expect(lookAt(project.dir)).toMatchObject({
      version: 'package.json',
      missing: ['there is no package-lock.json: npm install --package-lock-only'],
    })
    project.write({ 'package-lock.json': '{}' })
    expect(lookAt(project.dir).missing).toEqual([])
    const python = smallProject()
    all.push(python)
    python.write({ 'requirements.txt': 'flask\n' })
    expect(lookAt(python.dir).missing.join()).toContain('pip-compile --generate-hashes')
  })
})

const CHOSEN: Chosen = {
  name: 'shop',
  recipe: 'binary',
  from: 'out',
  bin: { "it's": 'bin/it "is"' },
  version: '0.1.0',
  shared: { dirs: ['uploads'], files: ['.env'] },
  hosts: ['deploy@web[01:03].example', 'db[a,b]'],
  deployTo: '/opt/shop',
  restart: `sh -c 'echo "a\\b"'`,
  health: 'http://127.0.0.1:8080/',
}

describe('what is written', () => {
  it('means the same in both forms, quotes and all', async () => {
    const bin = { shop: CHOSEN.bin["it's"] ?? '' }
    const dirs = ['ts', 'yaml'].map((name) => mkdtempSync(join(tmpdir(), `ship-init-${name}-`)))
    const read = await Promise.all(
      (['ts', 'yaml'] as const).map((format, i) => {
        const dir = dirs[i] ?? ''
        // The tests' own loader knows no "slipway".
        const text = configText({ ...CHOSEN, bin }, format).replace(IMPORT, 'const defineConfig = (config) => config')
        project.write({ [`${format}/ship.config.${format}`]: text })
        cpSync(join(project.dir, format), dir, { recursive: true })
        return loadProject({ cwd: dir })
      }),
    )
    dirs.forEach((dir) => rmSync(dir, { recursive: true }))
    const [script, yaml] = read.map(({ written }) => written)
    expect(script).toEqual(yaml)
    expect(script).toEqual({
      name: 'shop',
      version: '0.1.0',
      build: { recipe: 'binary', from: 'out', bin, exclude: ['.github', 'known_hosts'] },
      release: {
        deployTo: '/opt/shop',
        knownHosts: 'known_hosts',
        keep: 5,
        shared: { dirs: ['uploads'], files: ['.env'] },
        hooks: { afterSwitch: [CHOSEN.restart] },
        health: [{ http: 'http://127.0.0.1:8080/' }],
      },
      environments: { production: { hosts: CHOSEN.hosts } },
    })
  })

  it('a workflow that can be read, with no value of a person in a script', () => {
    const text = workflowText({ environments: ['production', 'staging'], shipVersion: '1.2.3' })
    const { on, permissions, jobs } = parse(text)
    expect(on.workflow_dispatch.inputs.environment.options).toEqual(['production', 'staging'])
    expect(permissions).toEqual({ contents: 'read' })
    const scripts = jobs.release.steps.flatMap((step: { run?: string }) => step.run ?? [])
    expect(scripts.join('\n')).not.toContain('${{')
    expect(scripts.at(-1)).toContain('slipway@1.2.3 release -e "$ENVIRONMENT" --yes')
  })
})

describe('ship init', () => {
  const files = (): string[] =>
    readdirSync(project.dir, { recursive: true, encoding: 'utf8' }).filter((f) =>
      statSync(join(project.dir, f)).isFile(),
    )

  it('writes once, is built as it is, and changes nothing the second time', async () => {
    cpSync(join(FIXTURES, 'static-site'), project.dir, { recursive: true })
    const first = await project.ship('init --hosts deploy@web1.example,deploy@web2.example --name pages')
    expect(first.stdout).toContain('wrote  ship.config.ts')
    expect(first.stderr).toMatch(/^next: {2}ship trust -e production .*\n.*ship check .*\n {7}ship build /)
    expect(project.read('ship.config.ts')).toContain("hosts: ['deploy@web1.example', 'deploy@web2.example']")
    expect(existsSync(join(project.dir, '.github/workflows/release.yml'))).toBe(true)
    await project.ship('build')
    const { entries } = JSON.parse(project.read('dist/pages-0.1.0.manifest.json')) as { entries: { path: string }[] }
    expect(entries.map(({ path }) => path)).toEqual(['css', 'css/site.css', 'index.html'])

    const before = files().map((file) => [file, project.read(file)])
    const second = await project.ship('init --name other')
    expect(second.stdout).toContain('kept   ship.config.ts, as it is')
    expect(second.stdout).toContain('nothing was changed')
    // A second configuration would be in the way of the first.
    await project.ship('init --format yaml')
    expect(files().map((file) => [file, project.read(file)])).toEqual(before)
  })

  it('tells to ignore dist/ where git does not', async () => {
    cpSync(join(FIXTURES, 'static-site'), project.dir, { recursive: true })
    const said = async (): Promise<boolean> => {
      const { stdout } = await project.ship('init --skip-workflow')
      rmSync(join(project.dir, 'ship.config.ts'))
      return stdout.includes('before the first build: dist/ gets the bundles and is not ignored by git yet')
    }
    expect(await said()).toBe(false)
    execFileSync('git', ['init', '-q'], { cwd: project.dir })
    expect(await said()).toBe(true)
    project.write({ '.gitignore': '/dist/\n' })
    expect(await said()).toBe(false)
  })

  it('writes the workflow of a project that has a configuration, for its environments', async () => {
    project.write({ 'ship.config.yaml': 'name: shop\nenvironments: { live: { hosts: [a] } }\n' })
    const { stdout, stderr } = await project.ship('init')
    expect(stdout).toContain('kept   ship.config.yaml')
    expect(project.read('.github/workflows/release.yml')).toContain('options: ["live"]')
    expect(stderr).toContain('ship check -e live')
  })

  it('never asks without a terminal, and refuses bad flags before it writes', async () => {
    for (const [flags, said] of [
      [['--name', 'My App'], '"My App" is not a name for an app'],
      [['--recipe', 'node-ap'], 'did you mean "node-app"?'],
      [['--hosts', 'a b;c'], 'is not a name or address of a host'],
      [['--health', 'localhost'], 'no http:// or https:// address'],
      [['--deploy-to', 'opt'], 'is not an absolute path'],
      [['--format', 'toml'], 'ts or yaml'],
    ] as const) {
      const { stderr } = await project.ship(['init', ...flags], 2)
      expect(stderr).toContain(said)
    }
    expect(readdirSync(project.dir)).toEqual([])
  })

  it.runIf(HAS_TERMINAL)('asks five questions on a terminal, and asks a bad answer again', async () => {
    const input = 'Bad Name\nshop\n\ndeploy@web1.example\nsystemctl restart shop\n\n'
    const { stdout } = await shipOnTerminal('init', { cwd: project.dir, input, when: 'name of the app' })
    expect(stdout).toContain('"Bad Name" is not a name for an app')
    expect(stdout.match(/\]: /g)).toHaveLength(6)
    const text = project.read('ship.config.ts')
    expect(text).toContain("name: 'shop'")
    expect(text).toContain("hooks: { afterSwitch: ['systemctl restart shop'] }")
    expect(text).toContain("hosts: ['deploy@web1.example']")
  })
})
