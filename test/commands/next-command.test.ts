/** Commands that messages name are typed as they stand: they have to be whole. */
import { describe, expect, test } from 'vitest'
import { inEnvironment } from '../../src/commands/next-command.ts'
import { releaseCommand } from '../../src/commands/plan.ts'
import { exampleLines } from '../../src/commands/help-text.ts'

test.each([
  ['then: ship trust', 'then: ship trust -e staging'],
  ['then: ship trust --replace', 'then: ship trust -e staging --replace'],
  ['keep fewer, and run: ship prune', 'keep fewer, and run: ship prune -e staging'],
  ['run it again, or: ship rollback', 'run it again, or: ship rollback -e staging'],
  ['mend it, ship build --bump patch, ship release', 'mend it, ship build --bump patch, ship release -e staging'],
  ['ship release 1.4.0 -e production --allow-downgrade', 'ship release 1.4.0 -e production --allow-downgrade'],
  ['ship release --plan plan.json', 'ship release --plan plan.json'],
  ['ship releases -e production', 'ship releases -e production'],
  ['ship init writes one', 'ship init writes one'],
])('%s', (text, typed) => {
  expect(inEnvironment([text], 'staging')).toEqual([typed])
  expect(inEnvironment([text], undefined)).toEqual([text])
})

describe('the release that was planned or checked is the one that is named', () => {
  const input = (args: readonly string[], lists: Readonly<Record<string, readonly string[]>> = {}, on = '') => ({
    args,
    on: (flag: string) => flag === on,
    text: () => undefined,
    list: (flag: string) => lists[flag] ?? [],
  })

  test.each([
    [input([]), 'ship release -e production'],
    [input(['1.0.0']), 'ship release 1.0.0 -e production'],
    [input(['^1.4']), "ship release '^1.4' -e production"],
    [input(['dist/shop-1.4.2.tar.gz']), 'ship release dist/shop-1.4.2.tar.gz -e production'],
    [input([], { hosts: ['web1', 'web2'] }), "ship release -e production --hosts 'web1,web2'"],
    [input([], {}, 'catchUp'), 'ship release -e production --catch-up'],
  ])('%#', (typed, command) => {
    expect(releaseCommand(typed, 'production')).toBe(command)
  })
})

describe('examples in the help', () => {
  const examples = [
    ['ship status', 'a table of hosts'],
    ['ship release --catch-up', 'the hosts that were left out'],
  ] as const

  test('what they do goes on below its own column', () => {
    expect(exampleLines(examples, 47)).toEqual([
      '  ship status              a table of hosts',
      '  ship release --catch-up  the hosts that were',
      '                           left out',
    ])
  })

  test('and stands below the command where there is no room beside it', () => {
    expect(exampleLines(examples, 30)).toEqual([
      '  ship status',
      '      a table of hosts',
      '  ship release --catch-up',
      '      the hosts that were left',
      '      out',
    ])
  })
})
