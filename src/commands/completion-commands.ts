/** The commands of shell completion; lines of the registry in index.ts. */
import type { Command } from './command.ts'

/** Under this name a shell asks what may stand at the cursor. */
export const COMPLETE_NAME = '__complete'

export const COMPLETION: Command = {
  name: 'completion',
  summary: 'print the completion of a shell: bash, zsh or fish',
  about:
    'It completes commands, flags, environments, hosts, roles, versions and tasks, as the configuration of the project has them.',
  group: 'Look',
  args: [{ name: '<shell>', summary: 'bash, zsh or fish' }],
  examples: [
    ['ship completion bash > ~/.local/share/bash-completion/completions/ship', 'for bash'],
    ['ship completion zsh > ~/.zfunc/_ship', 'for zsh, with that folder in fpath'],
    ['ship completion fish > ~/.config/fish/completions/ship.fish', 'for fish'],
  ],
  exits: [],
  load: () => import('./completion.ts'),
}

export const COMPLETE: Command = {
  name: COMPLETE_NAME,
  summary: 'answer a shell',
  group: 'Look',
  hidden: true,
  args: [{ name: '[words...]', summary: 'what was typed, the unfinished word last' }],
  examples: [],
  exits: [],
  load: () => import('./complete.ts'),
}
