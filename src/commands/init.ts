/**
 * `ship init`: looks at the project, asks at most five questions, writes a configuration and a workflow. What is there is never
 * written over, so a second run changes nothing and says so.
 */
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { gitOutput } from '../build/git.ts'
import { expandHosts } from '../config/inventory.ts'
import { findUpward } from '../config-file.ts'
import { nearest } from '../config/nearest.ts'
import { healthCheck } from '../config/health.ts'
import { messageOf, ShipError } from '../errors.ts'
import { parseAppName } from '../names.ts'
import { ownVersion } from '../own-version.ts'
import { configText, type Chosen, type ConfigFormat } from '../starter/config-text.ts'
import { lookAt, STARTERS, type Found, type Starter } from '../starter/look.ts'
import { WORKFLOW, workflowText } from '../starter/workflow-text.ts'
import type { Answer, Context, Input, RunCommand } from './command.ts'
import { openProject } from './project.ts'

const PLACEHOLDER = 'deploy@server.example'
const FORMATS: readonly ConfigFormat[] = ['ts', 'yaml']

interface Written {
  readonly file: string
  readonly outcome: 'written' | 'there'
}

export const run: RunCommand = async (input, context) => {
  const format = formatOf(input)
  const known = configOf(context)
  if (known !== undefined) return alreadyThere(known, input, context)
  const found = lookAt(context.cwd)
  const chosen = await choose(found, input, context)
  const written = [await write(context.cwd, `ship.config.${format}`, configText(chosen, format))]
  if (!input.on('skipWorkflow')) {
    const facts = { environments: ['production'], shipVersion: ownVersion() }
    written.push(await write(context.cwd, WORKFLOW, workflowText(facts)))
  }
  const missing = [...found.missing, ...(await distInGit(context))]
  return answer({ dir: context.cwd, written, found: { ...found, missing }, chosen })
}

/** The configuration that is there, or `--config`. */
function configOf({ cwd, config }: Context): string | undefined {
  if (config !== undefined) throw new ShipError('usage', 'ship init writes ship.config.*; it takes no --config')
  return findUpward(cwd)
}

/** Bundles belong into no repository. */
async function distInGit({ cwd, io: { signal } }: Context): Promise<readonly string[]> {
  const ask = (...args: readonly string[]): Promise<string | undefined> => gitOutput(cwd, args, signal)
  if ((await ask('rev-parse', '--is-inside-work-tree')) === undefined) return []
  if ((await ask('check-ignore', 'dist/x')) !== undefined) return []
  return ['dist/ gets the bundles and is not ignored by git yet: echo /dist/ >>.gitignore']
}

/** Only what is missing is written: the workflow, for the environments that the configuration has. */
async function alreadyThere(file: string, input: Input, context: Context): Promise<Answer> {
  const dir = dirname(file)
  const written: Written[] = [{ file: relative(context.cwd, file) || file, outcome: 'there' }]
  const { config } = await openProject(context)
  const names = Object.keys(config.environments)
  const sorted = names.toSorted((a, b) => Number(b === 'production') - Number(a === 'production'))
  const environments = sorted.length > 0 ? sorted : ['production']
  if (!input.on('skipWorkflow')) {
    written.push(await write(dir, WORKFLOW, workflowText({ environments, shipVersion: ownVersion() })))
  }
  return answer({ dir, written, environment: environments[0] })
}

/** Flags first, then questions on a terminal, then what was found. */
async function choose(found: Found, input: Input, context: Context): Promise<Chosen> {
  const asks = context.prompts.interactive && !context.yes
  if (asks) {
    await context.settle()
    context.say(({ style }) => [
      `${style.bold(found.recipe)}: ${found.why}`,
      `kinds are: ${Object.keys(STARTERS).join(', ')}`,
      'Enter takes what stands in brackets.',
    ])
  }
  const one = async (flag: string, question: string, fallback: string, problemOf: Problem): Promise<string> => {
    const given = input.text(flag)
    if (given === undefined) return asks ? context.prompts.text(question, fallback, problemOf) : fallback
    const problem = problemOf(given)
    if (problem !== undefined) throw new ShipError('usage', `--${flag}: ${problem}`)
    return given
  }
  const name = await one('name', 'name of the app', found.name, nameProblem)
  const recipe = await one('recipe', 'kind of app', found.recipe, recipeProblem)
  const given = input.list('hosts')
  const hosts =
    given.length > 0
      ? given
      : listOf(
          asks ? await context.prompts.text('hosts of production, user@host', PLACEHOLDER, hostsAsked) : PLACEHOLDER,
        )
  const problem = await hostsProblem(hosts)
  if (problem !== undefined) throw new ShipError('usage', `--hosts: ${problem}`)
  const restart = await one('restart', 'command on the hosts that restarts the app', 'none', () => undefined)
  const offered = found.health === undefined ? '' : `, such as ${found.health}`
  const health = await one('health', `health check on the hosts${offered}`, 'none', healthProblem)
  const deployTo = input.text('deployTo') ?? `/opt/${name}`
  if (!deployTo.startsWith('/')) throw new ShipError('usage', `--deploy-to: "${deployTo}" is not an absolute path`)
  const { from, bin, version, shared } = found
  const kind = starterOf(recipe) ?? 'files'
  const parts = kind === found.recipe ? { from, bin } : { from: undefined, bin: {} }
  return {
    name,
    recipe: kind,
    ...parts,
    version,
    shared,
    hosts,
    deployTo,
    restart: some(restart),
    health: some(health),
  }
}

type Problem = (answer: string) => string | undefined

function nameProblem(text: string): string | undefined {
  try {
    parseAppName(text)
    return undefined
  } catch (error) {
    return `${messageOf(error)}; use lower-case letters, digits, ".", "_", "+" and "-"`
  }
}

function starterOf(text: string): Starter | undefined {
  return Object.keys(STARTERS).find((name): name is Starter => name === text)
}

function recipeProblem(text: string): string | undefined {
  if (starterOf(text) !== undefined) return undefined
  const near = nearest(text, Object.keys(STARTERS))
  const hint = near === undefined ? '' : `; did you mean "${near}"?`
  return `there is no kind "${text}"${hint} (${Object.keys(STARTERS).join(', ')})`
}

function healthProblem(text: string): string | undefined {
  if (some(text) === undefined) return undefined
  return healthCheck.safeParse({ http: text }).success ? undefined : `"${text}" is no http:// or https:// address`
}

function hostsAsked(text: string): string | undefined {
  const hosts = listOf(text)
  return hosts.length === 0 || hosts.some((host) => /\s/.test(host))
    ? 'write user@host, more of them with commas'
    : undefined
}

/** As the configuration would judge them. */
async function hostsProblem(hosts: readonly string[]): Promise<string | undefined> {
  try {
    await expandHosts([...hosts], { deployTo: '/opt/app', transport: 'auto', knownHosts: undefined, projectDir: '/' })
    return undefined
  } catch (error) {
    return messageOf(error)
  }
}

function listOf(text: string): readonly string[] {
  // A comma inside brackets belongs to a range.
  return text.split(/,(?![^[]*\])|\s+/).filter((host) => host !== '')
}

function some(text: string): string | undefined {
  return text === '' || text === 'none' ? undefined : text
}

function formatOf(input: Input): ConfigFormat {
  const text = input.text('format') ?? 'ts'
  const format = FORMATS.find((one) => one === text)
  if (format !== undefined) return format
  throw new ShipError('usage', `"${text}" is no form of a configuration`, {
    next: [`use --format ${FORMATS.join(' or ')}`],
  })
}

/** Writes a file that is not there; one that is stays as it is, even when it appears in this very moment. */
async function write(dir: string, file: string, text: string): Promise<Written> {
  const path = join(dir, file)
  if (existsSync(path)) return { file, outcome: 'there' }
  try {
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, text, { flag: 'wx' })
  } catch (error) {
    throw new ShipError('usage', `"${file}" could not be written: ${messageOf(error)}`, { cause: error })
  }
  return { file, outcome: 'written' }
}

interface Done {
  readonly dir: string
  readonly written: readonly Written[]
  readonly found?: Found
  readonly chosen?: Chosen
  readonly environment?: string | undefined
}

function answer({ dir, written, found, chosen, environment = 'production' }: Done): Answer {
  const isNew = written.some(({ outcome }) => outcome === 'written')
  const missing = found?.missing ?? []
  const isPlaceholder = chosen?.hosts.includes(PLACEHOLDER) === true
  return {
    data: { dir, files: written, app: chosen?.name, recipe: chosen?.recipe, why: found?.why, missing },
    text: ({ style }) => [
      ...written.map(({ file, outcome }) =>
        outcome === 'written' ? `${style.green('wrote')}  ${file}` : `${style.dim('kept')}   ${file}, as it is`,
      ),
      ...(found && chosen && chosen.recipe === found.recipe
        ? [`${chosen.name} is built as ${found.recipe}: ${found.why}`]
        : []),
      ...missing.map((line) => style.yellow(`before the first build: ${line}`)),
      ...(isPlaceholder
        ? [style.yellow(`the hosts are not known yet: put them in the place of "${PLACEHOLDER}"`)]
        : []),
      ...(isNew ? [] : ['nothing was changed: all of it is there']),
    ],
    next: [
      `ship trust -e ${environment}    # once: compare and pin the keys of hosts`,
      `ship check -e ${environment}    # is all there that a release needs?`,
      `ship build${' '.repeat(environment.length + 8)}# dist/ gets the bundle`,
    ].slice(chosen ? 0 : 1, chosen ? 3 : 2),
  }
}
