/** The text of a first configuration, with what is most often added as comments. Pure. */
import { STARTERS, type Found } from './look.ts'

/** What was found, and what was answered. */
export interface Chosen extends Pick<Found, 'name' | 'recipe' | 'from' | 'bin' | 'version' | 'shared'> {
  readonly hosts: readonly string[]
  readonly deployTo: string
  /** Command on the hosts after a switch; undefined: none. */
  readonly restart: string | undefined
  /** URL that answers 200 when all is well; undefined: none. */
  readonly health: string | undefined
}

export type ConfigFormat = 'ts' | 'yaml'

const KNOWN_HOSTS = 'known_hosts'

const VERSION_NOTE = "or 'git' (tags like v1.4.2), or a version"

/** The lines of `ship.config.ts` or `ship.config.yaml`; both mean the same. */
export function configText(chosen: Chosen, format: ConfigFormat): string {
  return `${(format === 'ts' ? scriptLines(chosen) : yamlLines(chosen)).join('\n')}\n`
}

function scriptLines(chosen: Chosen): readonly string[] {
  const { name, recipe, from, bin, version, shared, hosts, deployTo, restart, health } = chosen
  const programs = Object.entries(bin).map(([program, file]) => `${quoted(program)}: ${quoted(file)}`)
  return [
    "import { defineConfig } from 'slipway'",
    '',
    '// What is built, and where it goes. All keys: your editor, or "ship schema".',
    'export default defineConfig({',
    `  name: ${quoted(name)},`,
    `  version: ${quoted(version)}, // ${VERSION_NOTE}`,
    '',
    '  build: {',
    `    // ${STARTERS[recipe]}`,
    `    recipe: ${quoted(recipe)},`,
    ...(from === undefined ? [] : [`    from: ${quoted(from)},`]),
    ...(programs.length === 0 ? [] : [`    bin: { ${programs.join(', ')} }, // programs in bin/ of each release`]),
    `    exclude: ['.github', ${quoted(KNOWN_HOSTS)}], // what is not shipped: 'test/**'`,
    "    // formats: ['tar.gz', 'deb'],",
    '  },',
    '',
    '  release: {',
    '    // On every host; whoever logs in must be able to write there:',
    `    deployTo: ${quoted(deployTo)},`,
    `    knownHosts: ${quoted(KNOWN_HOSTS)}, // "ship trust" writes it; commit it`,
    '    keep: 5,',
    '    // What outlives releases, linked into each:',
    ...(shared.dirs.length + shared.files.length > 0
      ? [`    shared: { dirs: ${quotedList(shared.dirs)}, files: ${quotedList(shared.files)} },`]
      : ["    // shared: { dirs: ['uploads'], files: ['.env'] },"]),
    '    // What makes the app take the new release up:',
    restart === undefined
      ? `    // hooks: { afterSwitch: ['systemctl --user restart ${name}'] },`
      : `    hooks: { afterSwitch: [${quoted(restart)}] },`,
    '    // What must hold after the switch; else every host goes back by itself:',
    health === undefined
      ? "    // health: [{ http: 'http://127.0.0.1:8080/' }],"
      : `    health: [{ http: ${quoted(health)} }],`,
    '  },',
    '',
    '  environments: {',
    '    production: {',
    `      hosts: ${quotedList(hosts)},`,
    "      // strategy: { type: 'rolling', batch: '25%' },",
    '    },',
    "    // staging: { hosts: ['deploy@stage.example'] },",
    '  },',
    '})',
  ]
}

function yamlLines(chosen: Chosen): readonly string[] {
  const { name, recipe, from, bin, version, shared, hosts, deployTo, restart, health } = chosen
  const json = JSON.stringify
  return [
    '# What is built, and where it goes. For your editor: ship schema > ship.schema.json',
    `name: ${json(name)}`,
    `version: ${json(version)} # ${VERSION_NOTE}`,
    '',
    'build:',
    `  # ${STARTERS[recipe]}`,
    `  recipe: ${recipe}`,
    ...(from === undefined ? [] : [`  from: ${json(from)}`]),
    ...(Object.keys(bin).length === 0 ? [] : [`  bin: ${json(bin)}`]),
    `  exclude: ['.github', ${json(KNOWN_HOSTS)}] # what is not shipped: 'test/**'`,
    '  # formats: [tar.gz, deb]',
    '',
    'release:',
    '  # On every host; whoever logs in must be able to write there:',
    `  deployTo: ${json(deployTo)}`,
    `  knownHosts: ${json(KNOWN_HOSTS)} # "ship trust" writes it; commit it`,
    '  keep: 5',
    '  # What outlives releases, linked into each:',
    ...(shared.dirs.length + shared.files.length > 0
      ? [`  shared: ${json(shared)}`]
      : ["  # shared: { dirs: [uploads], files: ['.env'] }"]),
    '  # What makes the app take the new release up:',
    restart === undefined
      ? `  # hooks: { afterSwitch: ['systemctl --user restart ${name}'] }`
      : `  hooks: { afterSwitch: [${json(restart)}] }`,
    '  # What must hold after the switch; else every host goes back by itself:',
    health === undefined ? "  # health: [{ http: 'http://127.0.0.1:8080/' }]" : `  health: [{ http: ${json(health)} }]`,
    '',
    'environments:',
    '  production:',
    `    hosts: ${json(hosts)}`,
    "    # strategy: { type: rolling, batch: '25%' }",
    '  # staging:',
    "  #   hosts: ['deploy@stage.example']",
  ]
}

/** As the house of the user would write it: single quotes, what is in them escaped. */
function quoted(text: string): string {
  return `'${JSON.stringify(text)
    .slice(1, -1)
    .replaceAll('\\"', '"')
    .replaceAll("'", String.raw`\'`)}'`
}

function quotedList(items: readonly string[]): string {
  return `[${items.map(quoted).join(', ')}]`
}
