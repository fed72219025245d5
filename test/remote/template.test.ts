/** Commands as templates: every value as one argument, wherever it stands, in every sh; what cannot be safe is refused by name. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { array, assert, constantFrom, property, string } from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ShipError } from '../../src/errors.ts'
import { templateScript } from '../../src/remote/template.ts'

const SHELLS = [['dash'], ['bash', '--posix'], ['busybox', 'sh']] as const

let dir = ''
beforeAll(() => void (dir = mkdtempSync(join(tmpdir(), 'ship-template-'))))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

function script(parts: TemplateStringsArray, ...values: readonly unknown[]) {
  return templateScript(parts, values)
}

function refusal(parts: TemplateStringsArray, ...values: readonly unknown[]): string {
  try {
    templateScript(parts, values)
  } catch (error) {
    if (error instanceof ShipError && error.reason === 'usage') return error.message
    throw error
  }
  return 'not refused'
}

describe.for(SHELLS)('%s', ([program, ...flags]) => {
  const run = ({ text, args }: { readonly text: string; readonly args: readonly string[] }): string =>
    execFileSync(program, [...flags, '-c', text, 'ship', ...args], { cwd: dir, encoding: 'utf8', stdio: 'pipe' })

  it('reads any value as exactly itself, in every place where one may stand', () => {
    const value = string({ unit: constantFrom(...Array.from(`ab '"\\$\`*?[]{}()<>|&;#!~%=-\n\t€`)), maxLength: 12 })
    assert(
      property(value, array(value, { maxLength: 3 }), (one, list) => {
        const { text, args } = script`f() { printf '<%s>' "$@" ${one} p${one}s "d ${one} d" 's ${one} s'; }
          # a comment isn't read: ${one}
          X=${one} Y="$(printf '<%s>' ${one} "in ${one}")"
          if [ "$X" = ${one} ]; then f own ${list}; fi; printf '%s' "$Y" "\${X}"`
        const expected = ['own', ...list, one, `p${one}s`, `d ${one} d`, `s ${one} s`]
        // A substitution of the shell drops newlines at its end; ours ends with ">".
        expect(run({ text, args })).toBe([...expected, one, `in ${one}`].map((w) => `<${w}>`).join('') + one)
      }),
      { numRuns: 60 },
    )
    expect(readdirSync(dir)).toEqual([])
  })

  it('leaves nothing behind that the text could mistake for its own', () => {
    expect(run(script`printf '%s|' $# "$*"; env | grep -c ship_ || : ${'x'}`)).toBe('0||0\n')
  })
})

describe('refused by name', () => {
  const v = 'value'
  it.for([
    ['a list within a word', () => refusal`ls --name=${[v]}`, 'value 1 is a list and is not a word by itself'],
    ['a list in quotes', () => refusal`ls "${[v]}"`, 'value 1 is a list and is not a word by itself'],
    ['a list beside a value', () => refusal`ls ${v}${[v]}`, 'value 2 is a list and is not a word by itself'],
    ['nothing', () => refusal`ls ${undefined}`, 'value 1 is undefined'],
    ['null in a list', () => refusal`ls ${[null]}`, 'value 1 is null'],
    ['an object', () => refusal`ls ${v} ${{}}`, 'value 2 is object'],
    ['no number', () => refusal`ls ${Number.NaN}`, 'value 1 is NaN'],
    ['a NUL byte', () => refusal`ls ${'a\0b'}`, 'value 1 holds a NUL byte, which no argument can'],
    ['a backslash before it', () => refusal`ls \\${v}`, 'value 1 stands behind a backslash'],
    ['a dollar before it', () => refusal`ls $${v}`, 'value 1 stands behind a "$"'],
    ['arithmetic', () => refusal`echo $((1 + ${v}))`, 'value 1 stands in $((...)), where shells evaluate it'],
    ['backticks', () => refusal`echo \`ls ${v}\``, 'value 1 stands in backticks'],
    ['a parameter', () => refusal`echo \${X:-${v}}`, 'value 1 stands in a ${...} of the shell'],
    ['a here-document', () => refusal`cat <<END\n${v}\nEND`, 'value 1 stands behind "<<"'],
    ['eval', () => refusal`eval ${v}`, 'value 1 stands behind eval, let, "[[" or "((", which evaluate it'],
    ['[[', () => refusal`[[ ${v} -eq 1 ]]`, 'value 1 stands behind eval, let, "[[" or "((", which evaluate it'],
    ['no command', () => refusal` `, 'there is no command'],
  ] as const)('%s', ([, work, message]) => {
    expect(work()).toBe(`not a command: ${message}`)
  })

  it('while what only looks like these is run', () => {
    const { text, args } = script`printf '%s|' '$((' '\`' ${v} "$((1+(2*3)))" eval ${v} "it's" ${v}`
    const said = execFileSync('sh', ['-c', text, 'ship', ...args], { encoding: 'utf8' })
    expect(said).toBe("$((|`|value|7|eval|value|it's|value|")
  })
})
