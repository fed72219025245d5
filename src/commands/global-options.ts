/** Options that every command has, before or after its name; for the help, the man page and completion. */
export const GLOBAL_OPTIONS: readonly (readonly [flags: string, summary: string])[] = [
  ['-e, --environment <name>', 'the environment; may be left out when there is one'],
  ['-c, --config <file>', 'the configuration file, instead of looking upward for ship.config.*'],
  ['--cwd <dir>', 'as if started in this folder'],
  ['--json', 'NDJSON events on stdout, the last one the result'],
  ['-q, --quiet', 'no progress'],
  ['-v, --verbose', 'output of hooks and recipes, times of steps, stacks of defects'],
  ['--no-color', 'no colours; NO_COLOR does the same'],
  ['--yes', 'do not ask'],
]
