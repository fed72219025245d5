/** Commands that keep hosts in order. */
import type { Command } from './command.ts'
import { CHOOSE_HOSTS } from './choose-hosts.ts'

export const UPKEEP_COMMANDS: readonly Command[] = [
  {
    name: 'pin',
    summary: 'keep a release from being pruned',
    group: 'Keep house',
    args: [{ name: '<version>', summary: 'a release on the hosts' }],
    options: CHOOSE_HOSTS,
    examples: [['ship pin 1.4.2 -e production', 'until ship unpin']],
    exits: [4, 5, 8, 9],
    load: () => import('./pin.ts'),
  },
  {
    name: 'unpin',
    summary: 'let a pinned release be pruned again',
    group: 'Keep house',
    args: [{ name: '<version>', summary: 'a release on the hosts' }],
    options: CHOOSE_HOSTS,
    examples: [['ship unpin 1.4.2 -e production', 'it counts towards "keep" again']],
    exits: [4, 5, 8, 9],
    load: () => import('./unpin.ts'),
  },
  {
    name: 'prune',
    summary: 'remove releases beyond "keep" and free disk',
    group: 'Keep house',
    options: CHOOSE_HOSTS,
    examples: [['ship prune -e production', 'never the live one, its predecessor or a pinned one']],
    exits: [4, 5, 8, 9],
    load: () => import('./prune.ts'),
  },
  {
    name: 'unlock',
    summary: 'take the lock of a dead run over, after showing whose it is',
    group: 'Keep house',
    options: [...CHOOSE_HOSTS, { flags: '--force', summary: 'even when its holder seems alive' }],
    examples: [['ship unlock -e production', 'frees the hosts of a run that died']],
    exits: [4, 8],
    load: () => import('./unlock.ts'),
  },
  {
    name: 'trust',
    summary: 'show the host keys and pin them',
    about: 'Keys go into the known-hosts file of the configuration, else into ~/.ssh/known_hosts.',
    group: 'Keep house',
    options: [...CHOOSE_HOSTS, { flags: '--replace', summary: 'also replace keys that changed' }],
    examples: [['ship trust -e production', 'compare before you say yes']],
    exits: [4, 9],
    load: () => import('./trust.ts'),
  },
]
