/** Commands that change what hosts run. */
import { ARTIFACT, type Command, type OptionSpec } from './command.ts'
import { CHOOSE_HOSTS } from './choose-hosts.ts'

const ORDER_OPTIONS: readonly OptionSpec[] = [
  {
    flags: '--strategy <name>',
    summary: 'all, rolling:25%, canary:1:5m or waves:1,10%,100%, instead of the configured one',
  },
  { flags: '--max-failed <n>', summary: 'so many hosts may fail by themselves: a number or a share like 10%' },
  { flags: '--max-unreachable <n>', summary: 'so many hosts may not be reached, and are left out' },
]
const RELEASE_OPTIONS: readonly OptionSpec[] = [
  ...CHOOSE_HOSTS,
  ...ORDER_OPTIONS,
  { flags: '--catch-up', summary: 'release the version that most hosts run, to those that run another' },
  { flags: '--allow-downgrade', summary: 'release a version older than the live one' },
  { flags: '--force', summary: 'with it: also one from before a point of no return' },
  { flags: '--any-branch', summary: 'release what was not built from the configured branch' },
  { flags: '--during-freeze', summary: 'release in a time when nothing is released' },
  { flags: '--skip-soak', summary: 'release what has not run in the other environment for long enough' },
]
export const RELEASE_COMMANDS: readonly Command[] = [
  {
    name: 'plan',
    summary: 'show what a release would do, from the state of the hosts',
    group: 'Release',
    args: [{ name: '[bundle]', summary: ARTIFACT }],
    options: [...RELEASE_OPTIONS, { flags: '--out <file>', summary: 'save the plan for ship release --plan' }],
    examples: [
      ['ship plan -e production', 'the newest bundle against production'],
      ['ship plan 1.4.2 -e production --out plan.json', 'look now, release exactly that later'],
    ],
    exits: [4, 5, 9],
    load: () => import('./plan.ts'),
  },
  {
    name: 'release',
    summary: 'send a bundle to the hosts, switch to it, check it, take it back if it fails',
    about: 'On a terminal it shows the plan and asks, unless --yes is given; without a terminal it runs.',
    group: 'Release',
    args: [{ name: '[bundle]', summary: ARTIFACT }],
    options: [
      ...RELEASE_OPTIONS,
      { flags: '--plan <file>', summary: 'exactly what ship plan --out saved, or nothing' },
      { flags: '--dry-run', summary: 'only show the plan' },
    ],
    examples: [
      ['ship release -e staging', 'the newest bundle'],
      ['ship release 1.4.2 -e production --yes', 'this version, without being asked'],
      ['ship release --catch-up -e production', 'the hosts that were left out, when they are well again'],
      ['ship release --plan plan.json', 'what was planned; refused when anything is not as it was'],
      ["ship release '^1.4' -e production", 'the newest that the range admits'],
    ],
    exits: [4, 5, 6, 7, 8, 9],
    logged: true,
    load: () => import('./release.ts'),
  },
  {
    name: 'rollback',
    summary: 'go back to a release that was verified before',
    group: 'Release',
    args: [{ name: '[version]', summary: 'a version or range; the one verified before the live one by default' }],
    options: [
      ...CHOOSE_HOSTS,
      ...ORDER_OPTIONS,
      { flags: '--pick', summary: 'choose from a list' },
      { flags: '--force', summary: 'also to a release from before a point of no return' },
      { flags: '--dry-run', summary: 'only show the plan' },
    ],
    examples: [
      ['ship rollback -e production', 'to the release before'],
      ['ship rollback 1.4.0 -e production', 'to a named one'],
      ['ship rollback --pick -e production', 'choose'],
    ],
    exits: [4, 5, 6, 7, 8, 9],
    follows: 'release',
    logged: true,
    load: () => import('./rollback.ts'),
  },
]
