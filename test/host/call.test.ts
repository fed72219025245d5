/** What travels with a call: the functions of the prelude that are used in it, and no others. */
import { expect, it } from 'vitest'
import { scriptText } from '../../src/host/shell/call.ts'

const functionsOf = (text: string): string[] => [...text.matchAll(/^(\w+)\(\) \{/gm)].map(([, name = '']) => name)

it('a script has every function that it uses, and none that it does not', () => {
  const prelude =
    'say finish fail durable must_last line_of uptime_now holding write_line write_record write_history free_of cause'.split(
      ' ',
    )
  const verbs = [
    'probe',
    'lock',
    'stage',
    'drift',
    'switch',
    'mark',
    'end',
    'unlock',
    'beat',
    'prune',
    'guard',
  ] as const
  for (const form of ['archive', 'package'] as const) {
    for (const verb of verbs) {
      const text = scriptText(verb, form)
      const used = prelude.filter((name) => new RegExp(`\\b${name}\\b(?!\\(\\))`).test(text))
      expect({ verb, has: functionsOf(text).filter((name) => prelude.includes(name)) }).toEqual({ verb, has: used })
    }
  }
  expect(functionsOf(scriptText('unlock'))).toEqual(['finish'])
})
