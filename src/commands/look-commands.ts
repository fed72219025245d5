/** Commands that look at hosts and at the configuration, and those that run something there. */
import { ARTIFACT, type Command } from './command.ts'
import { CHOOSE_HOSTS } from './choose-hosts.ts'
import { EXEC, LOGS, RUN } from './on-hosts.ts'

export const LOOK_COMMANDS: readonly Command[] = [
  {
    name: 'check',
    summary: 'look whether a release would work; changes nothing',
    about: 'Tells every problem at once, each with its cure. Ends with the code that a release would end with.',
    group: 'Look',
    args: [{ name: '[bundle]', summary: ARTIFACT }],
    options: CHOOSE_HOSTS,
    examples: [['ship check -e production', 'before the first release, or when something is odd']],
    exits: [4, 5, 9],
    load: () => import('./check.ts'),
  },
  {
    name: 'status',
    summary: 'show what runs on each host, since when, and how it is',
    group: 'Look',
    options: [...CHOOSE_HOSTS, { flags: '--exit-code', summary: 'exit 1 when hosts differ or are not well' }],
    examples: [
      ['ship status -e production', 'a table of hosts'],
      ['ship status -e production --exit-code', 'for scripts'],
    ],
    exits: [4],
    load: () => import('./status.ts'),
  },
  {
    name: 'releases',
    summary: 'list the releases on each host and their state',
    group: 'Look',
    options: CHOOSE_HOSTS,
    examples: [['ship releases -e production', 'newest first']],
    exits: [4],
    load: () => import('./releases.ts'),
  },
  {
    name: 'history',
    summary: 'list who did what, when, and how it ended',
    group: 'Look',
    options: [
      ...CHOOSE_HOSTS,
      { flags: '-n, --limit <n>', summary: 'at most this many lines (20); with --json of each host' },
    ],
    examples: [['ship history -e production -n 5', 'the last five runs']],
    exits: [4],
    load: () => import('./history.ts'),
  },
  {
    name: 'diff',
    summary: 'show what a release would change on the hosts',
    about: 'Files, sizes, commits and components, from what every host runs.',
    group: 'Look',
    args: [{ name: '[bundle]', summary: ARTIFACT }],
    options: CHOOSE_HOSTS,
    examples: [
      ['ship diff -e production', 'the newest bundle against what is live'],
      ['ship diff 1.4.0 -e production', 'what going back to 1.4.0 would change'],
    ],
    exits: [4],
    load: () => import('./diff.ts'),
  },
  LOGS,
  EXEC,
  RUN,
  {
    name: 'config',
    summary: 'print the merged configuration with its origins',
    group: 'Look',
    examples: [['ship config -e production', 'where each value comes from; secrets masked']],
    exits: [],
    load: () => import('./config.ts'),
  },
  {
    name: 'schema',
    summary: 'print the JSON Schema of the configuration',
    group: 'Look',
    examples: [['ship schema > ship.schema.json', 'for editors']],
    exits: [],
    load: () => import('./schema.ts'),
  },
  {
    name: 'demo',
    summary: 'build, release, break and roll back an app on hosts that are folders of this machine',
    group: 'Look',
    examples: [['ship demo', 'takes half a minute and leaves nothing behind']],
    exits: [3],
    load: () => import('./demo.ts'),
  },
]
