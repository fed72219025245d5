/** The man page, in roff (man(7)), from the same registry as the help. Pure. */
import type { Command } from './command.ts'
import { exitMeanings } from './exit-status.ts'
import { GLOBAL_OPTIONS } from './global-options.ts'

export interface ManFacts {
  readonly version: string
  /** Of the version: ISO date, for the foot of the page. */
  readonly date: string
}

/** One page for all commands. */
export function manText(commands: readonly Command[], { version, date }: ManFacts): string {
  const shown = commands.filter(({ hidden }) => hidden !== true)
  const groups = [...Map.groupBy(shown, ({ group }) => group)]
  const lines = [
    `.TH SHIP 1 "${date}" "ship ${text(version)}" "User Commands"`,
    '.SH NAME',
    'ship, slipway \\- build versioned releases, and send them to hosts over SSH',
    '.SH SYNOPSIS',
    '.B ship',
    '.I command',
    '.RI [ options ]',
    '.SH DESCRIPTION',
    text(
      'ship builds one versioned, reproducible bundle, sends it over SSH to one host or many, switches a "current" link by one rename, checks that the app is healthy, and takes everything back by itself when it is not.',
    ),
    '.SH COMMANDS',
    ...groups.flatMap(([group, members]) => [`.SS ${text(group)}`, ...members.flatMap(commandLines)]),
    '.SH OPTIONS',
    'Every command has these, before or after its name.',
    ...GLOBAL_OPTIONS.flatMap(([flags, summary]) => ['.TP', flagsText(flags), text(summary)]),
    '.SH EXIT STATUS',
    ...exitMeanings().flatMap(([code, meaning]) => ['.TP', `.B ${code}`, text(meaning)]),
    '.SH ENVIRONMENT',
    ...VARIABLES.flatMap(([name, meaning]) => ['.TP', `.B ${name}`, text(meaning)]),
    '.SH FILES',
    ...FILES.flatMap(([name, meaning]) => ['.TP', `.I ${text(name)}`, text(meaning)]),
    '.SH SEE ALSO',
    '.BR ssh (1),',
    '.BR ssh_config (5),',
    '.BR rsync (1)',
  ]
  return `${lines.join('\n')}\n`
}

const VARIABLES = [
  ['NO_COLOR', 'no colours, when it is not empty'],
  ['SHIP_CACHE_DIR', 'the folder for what can be made again, instead of ship in XDG_CACHE_HOME or ~/.cache'],
  ['SHIP_CACHE_TOKEN', 'the bearer token of build.cache.url'],
  ['SHIP_SSH_CONFIG', 'the configuration of ssh, instead of ~/.ssh/config'],
  ['SOURCE_DATE_EPOCH', 'the time that archives stamp on their entries'],
] as const

const FILES = [
  ['ship.config.{ts,mts,js,mjs,json,yaml,yml}', 'the configuration, looked for upward; "ship schema" describes it'],
  ['ship.lock', 'what the sources of recipes are'],
  ['dist/', 'what was built'],
  ['~/.ssh/known_hosts', "the hosts' keys, unless the configuration names a file"],
] as const

function commandLines({ name, args = [], summary, about, options = [], examples }: Command): readonly string[] {
  const usage = [
    '.TP',
    `.B ship ${text(name)}${args.length > 0 ? ` ${args.map((arg) => text(arg.name)).join(' ')}` : ''}`,
  ]
  const details = [
    ...args.map((arg) => [`.I ${text(arg.name)}`, text(arg.summary)]),
    ...options.map(({ flags, summary: does }) => [flagsText(flags), text(does)]),
  ]
  return [
    ...usage,
    sentence(summary),
    ...(about === undefined ? [] : about.split('\n').map(text)),
    ...(details.length === 0 ? [] : ['.RS', ...details.flatMap((lines) => ['.TP', ...lines]), '.RE']),
    ...(examples.length === 0
      ? []
      : ['.RS', '.PP', '.nf', ...examples.flatMap(([line, does]) => [text(`# ${does}`), text(line)]), '.fi', '.RE']),
  ]
}

/** "-e, --environment <name>": what is typed bold, what it stands for in italics. */
function flagsText(flags: string): string {
  const parts = flags.split(/(<[^>]+>)/).filter((part) => part !== '')
  return parts.map((part) => (part.startsWith('<') ? `\\fI${text(part)}\\fR` : `\\fB${text(part)}\\fR`)).join('')
}

/** Help has no capitals and no full stops; a paragraph of a page has them. */
function sentence(words: string): string {
  const plain = words.charAt(0).toUpperCase() + words.slice(1)
  return text(/[.!?]$/.test(plain) ? plain : `${plain}.`)
}

/** Words as roff prints them: backslash, hyphen, quotes and a dot at the head of a line mean something to it. */
function text(words: string): string {
  const escaped = words
    .replaceAll('\\', String.raw`\e`)
    .replaceAll('-', String.raw`\-`)
    .replaceAll('"', String.raw`\(dq`)
    .replaceAll('~', String.raw`\(ti`)
    .replaceAll('^', String.raw`\(ha`)
    .replaceAll('`', String.raw`\(ga`)
    .replaceAll("'", String.raw`\(aq`)
  return /^[.]/.test(escaped) ? String.raw`\&${escaped}` : escaped
}
