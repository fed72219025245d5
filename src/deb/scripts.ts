/**
 * The maintainer scripts of a package. Ours keep `current` whole through every way that dpkg goes (deb-postinst(5) and its sisters, Debian
 * policy 6.5-6.8), make users and folders, and drive the services as dh_installsystemd does (debhelper's autoscripts); the project's own
 * part runs among them.
 *
 * Order. preinst: protect the live release, own part. postinst: users and folders, switch, own part, services, copies away.
 * prerm: own part, services, `current`. postrm: own part, `current`, copies, state of services.
 * The parts that work on the tree are shell files in `scripts/`, the same text for every package; values stand in variables above them.
 */
import { ShipError } from '../errors.ts'
import { ownFile } from '../own-files.ts'
import { quote } from '../shell.ts'
import { customFunction, readCustomScript } from './custom-script.ts'
import type { PackageFacts, ScriptName } from './facts.ts'
import { serviceScripts } from './service-scripts.ts'

export type { PackageFacts, ScriptName } from './facts.ts'

/** What a script does before and behind the project's own part. */
interface Script {
  /** Names of files in `scripts/` whose functions it calls. */
  readonly functions: readonly string[]
  readonly before: readonly string[]
  readonly after: readonly string[]
}

const NAMES = ['preinst', 'postinst', 'prerm', 'postrm'] as const
/** Debian policy 5.6.1, and a version as a folder: both stand in the text of scripts. */
const PACKAGE = /^[a-z0-9][a-z0-9+.-]+$/
const RELEASE = /^[A-Za-z0-9][A-Za-z0-9.+~_-]*$/

/** Texts of the scripts that have something to do. Throws (reason `config`) what cannot be one, by name. */
export function maintainerScripts(facts: PackageFacts): ReadonlyMap<ScriptName, string> {
  if (!PACKAGE.test(facts.package)) throw new ShipError('config', `"${facts.package}" is not a name for a package`)
  if (!RELEASE.test(facts.release)) throw new ShipError('config', `"${facts.release}" is not a name for a release`)
  const scripts = new Map<ScriptName, string>()
  for (const name of NAMES) {
    const text = scriptText(facts, name, ourPart(facts, name))
    if (text !== undefined) scripts.set(name, text)
  }
  return scripts
}

function scriptText(facts: PackageFacts, name: ScriptName, ours: Script): string | undefined {
  const own = facts.custom[name]
  const custom = own === undefined ? undefined : readCustomScript(name, own)
  // It starts the script once more, under debconf: first of all, then, and not in the middle.
  const asks = custom?.asks === true || (facts.debconf === true && name === 'postinst')
  if (!custom && !asks && ours.before.length + ours.after.length === 0) return undefined
  const part = custom ? customFunction(custom) : { definition: '', call: '' }
  const values = [
    `package=${quote(facts.package)}`,
    `release=${quote(facts.release)}`,
    `root=\${DPKG_ROOT:-}/opt/$package`,
  ]
  return [
    `#!${custom?.shell ?? '/bin/sh'}\n# Made by ship. What "$1" may be: deb-${name}(5).\nset -e\n`,
    ...(asks ? ['. /usr/share/debconf/confmodule\n'] : []),
    ...(ours.functions.length > 0 ? [`${values.join('\n')}\n`] : []),
    ...ours.functions.map(fragment),
    ...(part.definition === '' ? [] : [`# The project's own ${name}.\n${part.definition}`]),
    ...ours.before,
    ...(part.call === '' ? [] : [part.call]),
    ...ours.after,
  ].join('\n')
}

function ourPart(facts: PackageFacts, name: ScriptName): Script {
  const services = serviceScripts(facts)
  const forget = [...services.forget, ...(facts.debconf === true ? [ANSWERS_GONE] : [])]
  if (!facts.hasTree) {
    const texts = {
      preinst: [],
      postinst: [...services.setUp, ...services.start],
      prerm: services.stop,
      postrm: forget,
    }
    return { functions: [], before: [], after: texts[name] }
  }
  const scripts = {
    preinst: { functions: ['live', 'switch', 'protect'], before: [when('install|upgrade', 'protect')], after: [] },
    postinst: {
      functions: ['live', 'switch', 'bridge', 'configure'],
      before: [...services.setUp, TAKE_OVER],
      after: [...services.start, when('configure', 'trap - EXIT\ndrop_bridges')],
    },
    prerm: { functions: ['live', 'leave'], before: [], after: [...services.stop, when('remove', 'leave')] },
    postrm: {
      functions: ['live', 'switch', 'bridge', 'leave'],
      before: [],
      after: [TREE_GONE, ...forget],
    },
  } satisfies Record<ScriptName, Script>
  return scripts[name]
}

const TAKE_OVER = `case $1 in
  configure) take_over ;;
  abort-upgrade|abort-remove|abort-deconfigure) stay ;;
esac
`

/** Folders that are not empty hold what is not the package's. */
const TREE_GONE = `case $1 in
  abort-install|abort-upgrade) return_from_bridge ;;
  remove)
    leave
    drop_bridges
    ;;
esac
case $1 in
  remove|purge|abort-install) rmdir "$root/releases" "$root" 2>/dev/null || true ;;
esac
`

/** As dh_installdebconf has it: questions and answers go with purge, if debconf is still there. */
const ANSWERS_GONE = `if [ "$1" = purge ] && [ -e /usr/share/debconf/confmodule ]; then
  . /usr/share/debconf/confmodule
  db_purge
fi
`

function when(actions: string, commands: string): string {
  const lines = commands.split('\n')
  const body = lines.length === 1 ? ` ${commands} ;;\n` : `\n${lines.map((l) => `    ${l}\n`).join('')}    ;;\n`
  return `case $1 in\n  ${actions})${body}esac\n`
}

function fragment(name: string): string {
  return ownFile(`src/deb/scripts/${name}.sh`)
}
