/** The page docs/config.md as text. Pure. */
import { EXAMPLES } from './examples.ts'
import { literal, sections, type Key, type Section } from './keys.ts'

/** Words below the heading of a section, by its id. */
const INTRO: Readonly<Record<string, string>> = {
  '': 'The keys of `ship.config.{ts,mts,js,mjs,json,yaml,yml}` itself.',
  build: 'How a bundle is made. See [builds and recipes](recipes.md).',
  release:
    'What a release does, for all environments; each of these keys may stand in an environment as well, and counts there instead. See [releasing in full](releasing.md).',
  hooks: 'Points of a release, in `release.hooks`. Each has a list of commands, or of objects as below.',
  hook: 'An entry of a list of hooks, when it is more than a command.',
  'health:http': 'An entry of `release.health` that asks over HTTP.',
  'health:tcp': 'An entry of `release.health` that opens a connection.',
  'health:exec': 'An entry of `release.health` that runs a command.',
  'health:systemd': 'An entry of `release.health` that asks systemd.',
  health: 'Keys that every entry of `release.health` may have.',
  'strategy:rolling': "`release.strategy`: so many hosts at a time. `'rolling'` alone means one after the other.",
  'strategy:canary': "`release.strategy`: some hosts first. `'canary'` alone means one.",
  'strategy:waves': "`release.strategy`: growing groups. `[1, '10%', '100%']` alone is the same without pauses.",
  'drain:nginx': '`release.drain` for an upstream of nginx.',
  'drain:haproxy': '`release.drain` for a backend of HAProxy.',
  'drain:command': '`release.drain` for anything that a command reaches.',
  drain: 'Keys that every drain may have.',
  environment: 'An entry of `environments`. It takes every key of [release](#release) as well.',
  host: 'An entry of `hosts`, when it is more than `"user@host:port"`. Also of `release.relay` and of `on` of a drain.',
  task: 'An entry of `tasks`, when it is more than a command.',
  deb: 'The package, when `build.formats` has `deb`. See [packages](packages.md).',
  service: 'What `deb.service` and each entry of `deb.services` may say.',
}

const HEAD = `# Every key of the configuration

Written by \`node tools/config-docs.ts\` from the schema that checks configurations; a test compares. Unknown keys are refused with the nearest known one
and their place in the file; keys that start with \`x-\` are yours. \`ship schema\` prints the same as JSON Schema for editors, and \`ship config\` shows what came
out of yours, and where each value is from.

The same keys in TypeScript (\`ship.config.ts\`, as in the [README](../README.md#use-it)), JSON and YAML; functions are for TypeScript and JavaScript alone:

\`\`\`yaml ship.config.yaml
# yaml-language-server: $schema=./ship.schema.json (ship schema > ship.schema.json)
name: shop
version: git
build:
  recipe: node-app
release:
  shared: { dirs: [uploads], files: [.env] }
  health: [{ http: http://127.0.0.1:8080/healthz }]
x-roles: &roles [web, worker]
environments:
  production:
    hosts:
      - { host: web1.example, user: deploy, roles: *roles }
      - { host: web2.example, user: deploy, roles: *roles }
\`\`\`
`

export function configPage(): string {
  return [HEAD, ...sections().map(sectionText)].join('\n')
}

/** The example of a key: what the section's example has at its path; undefined when there is none. */
export function exampleOf({ id }: Section, { path }: Key): unknown {
  const inner = id === '' ? path : path.slice(id.length + 1)
  return inner.split('.').reduce<unknown>((value, step) => {
    const name = step.replace(/\[\]$/, '')
    const found = Array.isArray(value)
      ? value.map((one) => partOf(one, name)).find((one) => one !== undefined)
      : partOf(value, name)
    return found
  }, EXAMPLES[id])
}

function partOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.entries(value).find(([key]) => key === name)?.[1]
    : undefined
}

function sectionText(section: Section): string {
  const rows = section.keys.map((key) => [
    inCode(shownPath(section, key)),
    words(key.means),
    key.default,
    shownExample(section, key),
  ])
  const intro = INTRO[section.id]
  if (intro === undefined) throw new Error(`section "${section.title}" has no words in page.ts`)
  return `## ${section.title}\n\n${intro}\n\n${table(['key', 'means', 'default', 'example'], rows)}\n`
}

function shownPath({ id }: Section, { path }: Key): string {
  return id === '' || id === 'build' || id === 'release' || id === 'deb' ? path : path.slice(id.length + 1)
}

function shownExample(section: Section, key: Key): string {
  const name = (key.path.slice(section.id.length).split('.').at(-1) ?? '').replace('[]', '')
  return inCode(`${name}: ${literal(exampleOf(section, key))}`)
}

function inCode(text: string): string {
  return `\`${text}\``
}

/** Nothing in words of the schema may be taken for Markdown: patterns and placeholders are code. */
function words(text: string): string {
  return text.replaceAll(/(?<![`\w])([^\s`"(),;:]*[*<>_][^\s`"(),;:]*)/g, '`$1`')
}

/** Columns as wide as their widest cell, as the formatter wants them. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [head, ...rows].map((row) => row.map((cell) => cell.replaceAll('|', '\\|')))
  const widths = head.map((_, i) => Math.max(3, ...cells.map((row) => (row[i] ?? '').length)))
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`
  const [first = [], ...rest] = cells
  return [line(first), `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...rest.map(line)].join('\n')
}
