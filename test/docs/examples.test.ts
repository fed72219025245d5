/** Examples in the documentation work: configurations are loaded, command lines are parsed, TypeScript has the right types. */
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { rootCertificates } from 'node:tls'
import { promisify } from 'node:util'
import { afterAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { COMMANDS } from '../../src/commands/index.ts'
import { parseCommandLine } from '../../src/commands/program.ts'
import { messageOf } from '../../src/errors.ts'
import { runNode } from '../support/cli.ts'
import { commandLines, commandsOf } from './command-lines.ts'
import { pages, prose, ROOT, where, type Block } from './pages.ts'

const PAGES = pages()
const BLOCKS = PAGES.flatMap(({ blocks }) => blocks)

/** Every block of TypeScript and YAML is one of these, so that none is left unchecked. */
const KINDS = {
  /** A whole configuration. */
  ts: ['ship.config.ts', 'config', 'release', 'environment', 'recipe', 'program'],
  yaml: ['ship.config.yaml', 'workflow', 'step', 'ansible'],
  json: ['ship.config.json', 'data'],
} as const

const dir = mkdtempSync(join(tmpdir(), 'ship-docs-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

/** A part of a configuration as a whole one. */
function whole({ kind, text }: Block): string {
  const body = /,\s*(?:\/\/.*)?$/.test(text.trimEnd()) ? text : `${text},`
  const live = "production: { hosts: ['web1', { host: 'db1', roles: ['db'] }]"
  const open = {
    config: `\n${body}\n  environments: { ${live} } },`,
    release: `  release: {\n${body}\n  },\n  environments: { ${live} } },`,
    environment: `  environments: { staging: { hosts: ['stage1'] }, ${live},\n${body}\n} },`,
  }[kind]
  if (open === undefined) return text
  return `import { defineConfig } from 'slipway'\n\nexport default defineConfig({\n  name: 'shop',\n${open}\n})\n`
}

function isConfig({ language, kind }: Block): boolean {
  return kind.startsWith('ship.config.') || (language === 'ts' && ['config', 'release', 'environment'].includes(kind))
}

describe('blocks', () => {
  it('say what they are', () => {
    const known = new Map<string, readonly string[]>(Object.entries(KINDS))
    const odd = BLOCKS.filter(({ language, kind }) => known.get(language)?.includes(kind) === false)
    expect(odd.map((block) => `${where(block)}: ${block.language} ${block.kind}`)).toEqual([])
    const nameless = BLOCKS.filter(({ language }) => language === '')
    expect(nameless.map(where)).toEqual([])
    // Code by indentation says nothing of what it is, and would not be looked at.
    const indented = PAGES.filter(({ file }) => file !== 'CONTRIBUTING.md').flatMap(({ file, text }) =>
      [...prose(text).matchAll(/\n\n {4,}[^\s*-]/g)].map(() => file),
    )
    expect(indented).toEqual([])
  })

  it('that are configurations are loaded, with each environment', async () => {
    const configs = BLOCKS.filter(isConfig)
    expect(configs.length).toBeGreaterThan(20)
    const folders = configs.map((block, index) => {
      const folder = join(dir, `config-${index}`)
      mkdirSync(join(folder, 'certs'), { recursive: true })
      writeFileSync(join(folder, 'package.json'), '{ "name": "shop", "version": "1.0.0", "type": "module" }')
      writeFileSync(join(folder, 'certs/ca.pem'), rootCertificates[0] ?? '')
      const file = block.kind.startsWith('ship.config.') ? block.kind : 'ship.config.ts'
      writeFileSync(join(folder, file), whole(block))
      return folder
    })
    // In a process of its own: there "slipway" is the ship that runs, as for users.
    const { stdout, stderr } = await runNode([join(import.meta.dirname, 'load-child.ts'), ...folders])
    expect(stderr).toBe('')
    const problems = JSON.parse(stdout) as readonly string[]
    expect(problems.length).toBe(configs.length)
    const named = configs.flatMap((block, index) =>
      problems[index] === '' ? [] : [`${where(block)}: ${problems[index]}`],
    )
    expect(named).toEqual([])
  })

  it('of TypeScript have the types of the package', { timeout: 60_000 }, async () => {
    const folder = join(dir, 'types')
    mkdirSync(folder)
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
    const blocks = BLOCKS.filter(({ language }) => language === 'ts')
    expect(blocks.length).toBeGreaterThan(15)
    for (const [index, block] of blocks.entries()) {
      const known = block.kind === 'program' ? 'declare const version: string, text: string, tag: string\n' : ''
      writeFileSync(join(folder, `${index}.ts`), `${whole(block)}${known}\nexport {}\n`)
    }
    const own = JSON.parse(readFileSync(join(ROOT, 'tsconfig.json'), 'utf8')) as { compilerOptions: object }
    const compilerOptions = {
      ...own.compilerOptions,
      paths: { slipway: [join(ROOT, 'src/index.ts')] },
      typeRoots: [join(ROOT, 'node_modules/@types')],
      noUnusedLocals: false,
    }
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }))
    const tsc = join(ROOT, 'node_modules/.bin/tsc')
    const said = await promisify(execFile)(tsc, ['-p', folder, '--pretty', 'false']).then(
      () => '',
      (error: { stdout?: string }) => error.stdout ?? '',
    )
    const named = said.replaceAll(/^.*?(\d+)\.ts\(/gm, (line, index: string) => {
      const block = blocks[Number(index)]
      return block ? `${where(block)} (` : line
    })
    expect(named).toBe('')
  })

  it('of workflows give the action what it takes', () => {
    const { inputs, outputs } = parse(readFileSync(join(ROOT, 'action.yml'), 'utf8')) as {
      inputs: Record<string, unknown>
      outputs: Record<string, unknown>
    }
    const blocks = BLOCKS.filter(
      ({ language, kind }) => language === 'yaml' && (kind === 'workflow' || kind === 'step'),
    )
    expect(blocks.length).toBeGreaterThan(1)
    const problems = blocks.flatMap((block) => {
      const steps = stepsIn(parse(block.text)).filter(({ uses }) => uses?.includes('/slipway@'))
      const unknown = steps.flatMap((step) => Object.keys(step.with ?? {}).filter((name) => !(name in inputs)))
      const read = [...block.text.matchAll(/steps\.ship\.outputs\.([\w-]+)/g)].map(([, name = '']) => name)
      const commands = steps
        .map((step) => step.with?.['command'])
        .filter((name) => !COMMANDS.some((one) => one.name === name))
      return [...unknown, ...read.filter((name) => !(name in outputs)), ...commands].map(
        (name) => `${where(block)}: ${String(name)}`,
      )
    })
    expect(problems).toEqual([])
  })
})

interface Step {
  readonly uses?: string
  readonly with?: Readonly<Record<string, unknown>>
}

/** Steps of a workflow, or of a list of steps. */
function stepsIn(value: unknown): readonly Step[] {
  if (Array.isArray(value)) return value as readonly Step[]
  const { jobs = {} } = value as { jobs?: Record<string, { steps?: readonly Step[] }> }
  return Object.values(jobs).flatMap(({ steps = [] }) => steps)
}

describe('command lines', () => {
  const io = { version: '0', out: () => undefined, err: () => undefined, columns: 80 }

  it('are cut as a shell cuts them', () => {
    expect(commandsOf("npx ship build && ship release '^1.4' -e x # and more")).toEqual([
      ['npx', 'ship', 'build'],
      ['ship', 'release', '^1.4', '-e', 'x'],
    ])
    expect(commandsOf('ship completion bash > ~/file; ship "a b"')).toEqual([
      ['ship', 'completion', 'bash'],
      ['ship', 'a b'],
    ])
    expect(commandsOf('ship exec -- df -h . | sort')).toEqual([['ship', 'exec', '--', 'df', '-h', '.'], ['sort']])
  })

  it('are taken by ship, each flag and argument of them', () => {
    const lines = PAGES.flatMap(commandLines)
    expect(lines.length).toBeGreaterThan(120)
    const refused = lines.flatMap(({ place, words, isTold }) => {
      try {
        parseCommandLine(words, COMMANDS, io)
        return []
      } catch (error) {
        // "ship pin" in a sentence names the command; what it is given need not stand there.
        if (isTold && /^missing required argument|argument missing$/.test(messageOf(error))) return []
        return [`${place}: ship ${words.join(' ')}: ${messageOf(error)}`]
      }
    })
    expect(refused).toEqual([])
  })
})
