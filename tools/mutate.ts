/**
 * Takes away, one by one, the mechanisms that the promises rest on (tools/mutations.json), in a copy of the project, and expects a test to
 * fail each time. A mutation that no test notices is an error. Usage: npm run mutate [word of a promise]
 */
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

interface Mutation {
  readonly promise: string
  readonly file: string
  readonly find: string
  readonly replace: string
  readonly test: readonly string[]
}

const root = join(import.meta.dirname, '..')
const wanted = process.argv[2] ?? ''
const all = JSON.parse(readFileSync(join(root, 'tools/mutations.json'), 'utf8')) as readonly Mutation[]
const copy = mkdtempSync(join(tmpdir(), 'ship-mutate-'))
const survivors: string[] = []
try {
  for (const name of [
    'src',
    'recipes',
    'bin',
    'test',
    'fixtures',
    'package.json',
    'tsconfig.json',
    'vitest.config.ts',
  ]) {
    cpSync(join(root, name), join(copy, name), { recursive: true })
  }
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
  for (const mutation of all.filter((m) => m.promise.includes(wanted))) {
    const caught = isCaught(mutation)
    console.log(`${caught ? 'caught  ' : 'SURVIVED'}  ${mutation.promise}`)
    if (!caught) survivors.push(mutation.promise)
  }
} finally {
  rmSync(copy, { recursive: true, force: true })
}
if (survivors.length > 0) {
  console.error(`error: ${survivors.length} promises have no test that notices when their mechanism is gone`)
  process.exitCode = 1
}

/** Whether the tests pass as things are, and fail with the mutation; a test that fails anyway would prove nothing. */
function isCaught({ file, find, replace, test }: Mutation): boolean {
  const path = join(copy, file)
  const text = readFileSync(path, 'utf8')
  if (!text.includes(find)) throw new Error(`tools/mutations.json: ${file} does not hold ${JSON.stringify(find)}`)
  if (!passes(test)) throw new Error(`these tests fail without any mutation: ${test.join(' ')}`)
  writeFileSync(
    path,
    text.replace(find, () => replace),
  )
  try {
    return !passes(test)
  } finally {
    writeFileSync(path, text)
  }
}

/** False when a test fails, or when none ran: a name that matches nothing passes as well. */
function passes(test: readonly string[]): boolean {
  const vitest = join(copy, 'node_modules/.bin/vitest')
  const report = join(copy, 'report.json')
  rmSync(report, { force: true })
  const args = ['run', '--reporter=json', `--outputFile.json=${report}`, ...test]
  const { status } = spawnSync(vitest, args, { cwd: copy, stdio: 'ignore', timeout: 300_000 })
  if (!existsSync(report)) return false
  const { numPassedTests } = JSON.parse(readFileSync(report, 'utf8')) as { readonly numPassedTests: number }
  return status === 0 && numPassedTests > 0
}
