/**
 * Takes away, one by one, the mechanisms that the promises rest on (tools/mutations.json), in copies of the project, and expects a test to
 * fail each time. A mutation that no test notices is an error.
 * Usage: npm run test:mutations -- [word of a promise] [--lanes 2] [--from N] [--only-mutated]
 *
 * --lanes         how many are tried side by side, each in a copy of its own
 * --from          goes on with this one of the list, counted from 1
 * --only-mutated  the tests are known to pass as things are: they are run with the mutations alone
 */
import { spawn } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

interface Mutation {
  readonly promise: string
  readonly file: string
  readonly find: string
  readonly replace: string
  readonly test: readonly string[]
}

const ROOT = join(import.meta.dirname, '..')
const COPIED = [
  'src',
  'recipes',
  'bin',
  'test',
  'fixtures',
  'action',
  'action.yml',
  'tools',
  'docs',
  'workflows',
  'bench',
  'README.md',
  'SECURITY.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  'LICENSE',
  'package.json',
  'tsconfig.json',
  'vitest.config.ts',
]
/** A mutation may make a test wait for what never comes: then it is seen by this. */
const LONGEST_MS = 300_000

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    lanes: { type: 'string', default: '1' },
    from: { type: 'string', default: '1' },
    'only-mutated': { type: 'boolean', default: false },
  },
})
const [word = ''] = positionals
const all = JSON.parse(readFileSync(join(ROOT, 'tools/mutations.json'), 'utf8')) as readonly Mutation[]
const wanted = all
  .map((mutation, index) => ({ mutation, number: index + 1 }))
  .filter(({ mutation, number }) => number >= Number(values.from) && mutation.promise.includes(word))
const survivors: string[] = []
/** Whether tests pass as things are, by their arguments: asked once. */
const known = new Map<string, Promise<boolean>>()

const queue = wanted.values()
await Promise.all(
  Array.from({ length: Math.max(1, Number(values.lanes)) }, async () => {
    const copy = makeCopy()
    try {
      for (const { mutation, number } of queue) {
        const started = performance.now()
        const caught = await isCaught(mutation, copy)
        const seconds = Math.round((performance.now() - started) / 1000)
        console.log(`${caught ? 'caught  ' : 'SURVIVED'}  ${number}/${all.length}  ${seconds} s  ${mutation.promise}`)
        if (!caught) survivors.push(mutation.promise)
      }
    } finally {
      rmSync(copy, { recursive: true, force: true })
    }
  }),
)
console.log(`${wanted.length - survivors.length} caught, ${survivors.length} survived`)
if (survivors.length > 0) {
  console.error(`error: no test notices when these mechanisms are gone:\n  ${survivors.join('\n  ')}`)
  process.exitCode = 1
}

function makeCopy(): string {
  const copy = mkdtempSync(join(tmpdir(), 'ship-mutate-'))
  for (const name of COPIED) cpSync(join(ROOT, name), join(copy, name), { recursive: true })
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'))
  return copy
}

/** Whether the tests pass as things are, and fail with the mutation; a test that fails anyway would prove nothing. */
async function isCaught({ file, find, replace, test }: Mutation, copy: string): Promise<boolean> {
  const path = join(copy, file)
  const text = readFileSync(path, 'utf8')
  if (!text.includes(find)) throw new Error(`tools/mutations.json: ${file} does not hold ${JSON.stringify(find)}`)
  if (!values['only-mutated']) {
    const key = test.join(' ')
    const passing = known.get(key) ?? passes(test, copy)
    known.set(key, passing)
    if (!(await passing)) throw new Error(`these tests fail without any mutation: ${key}`)
  }
  writeFileSync(
    path,
    text.replace(find, () => replace),
  )
  try {
    return (await ran(test, copy)).code !== 0
  } finally {
    writeFileSync(path, text)
  }
}

/** False when a test fails, or when none ran: a name that matches nothing passes as well. */
async function passes(test: readonly string[], copy: string): Promise<boolean> {
  const { code, passed } = await ran(test, copy)
  return code === 0 && passed > 0
}

async function ran(
  test: readonly string[],
  copy: string,
): Promise<{ readonly code: number | null; readonly passed: number }> {
  const vitest = join(copy, 'node_modules/.bin/vitest')
  const report = join(copy, 'report.json')
  rmSync(report, { force: true })
  const args = ['run', '--bail=1', '--reporter=json', `--outputFile.json=${report}`, ...test]
  const child = spawn(vitest, args, { cwd: copy, stdio: 'ignore', timeout: LONGEST_MS })
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  if (!existsSync(report)) return { code, passed: 0 }
  const { numPassedTests } = JSON.parse(readFileSync(report, 'utf8')) as { readonly numPassedTests: number }
  return { code, passed: numPassedTests }
}
