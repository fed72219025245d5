/** Relations between packages, as Debian policy (chapter 7) and deb-version(7) have them for binary packages. */
import { ShipError } from '../errors.ts'

/** Fields in the order of a control file, and the key of each in the configuration. */
export const RELATIONS = {
  preDepends: 'Pre-Depends',
  depends: 'Depends',
  recommends: 'Recommends',
  suggests: 'Suggests',
  enhances: 'Enhances',
  breaks: 'Breaks',
  conflicts: 'Conflicts',
  replaces: 'Replaces',
  provides: 'Provides',
} as const

export type RelationKey = keyof typeof RELATIONS

/** Fields in which `a | b` has a meaning. */
const ALTERNATIVES: readonly RelationKey[] = ['preDepends', 'depends', 'recommends', 'suggests', 'enhances']
const NAME = String.raw`[a-z0-9][a-z0-9+.-]+`
const VERSION = String.raw`(?:\d+:)?\d[A-Za-z0-9.+~-]*`
const RELATION = new RegExp(
  String.raw`^(${NAME})(:[a-z0-9-]+)?(?:\s*\(\s*(<<|<=|=|>=|>>|<|>)\s*(\$\{binary:Version\}|${VERSION})\s*\))?$`,
)

/** Why a text is no relation of that field; undefined when it is one. */
export function relationProblem(key: RelationKey, text: string): string | undefined {
  const parts = text.split('|').map((part) => part.trim())
  if (text.includes(',')) return 'holds a comma; write each package as an entry of its own'
  if (parts.length > 1 && !ALTERNATIVES.includes(key)) return `has alternatives, which ${RELATIONS[key]} cannot have`
  for (const part of parts) {
    const match = RELATION.exec(part)
    const operator = match?.[3]
    if (!match) return `is no relation; write "package", "package (>= 1.2)" or "package (= \${binary:Version})"`
    if (operator === '<' || operator === '>')
      return `uses "${operator}", whose meaning changed; use "${operator}${operator}" or "${operator}="`
    if (key === 'provides' && operator !== undefined && operator !== '=') return 'provides a version with "=" only'
  }
  return undefined
}

/** One spelling for each, the package's own version put in; sorted not at all, for the order of alternatives has a meaning. */
export function relationText(texts: readonly string[], version: string): string {
  const spelt = texts.map((text) =>
    text
      .split('|')
      .map((part) => spelled(part.trim(), version))
      .join(' | '),
  )
  return [...new Set(spelt)].join(', ')
}

function spelled(part: string, version: string): string {
  const [, name = '', arch = '', operator, number = ''] = RELATION.exec(part) ?? []
  if (name === '') throw new ShipError('config', `"${part}" is no relation`)
  if (operator === undefined) return `${name}${arch}`
  return `${name}${arch} (${operator} ${number === '${binary:Version}' ? version : number})`
}

/** Whether a text is a name that dpkg and policy take. */
export function isPackageName(text: string): boolean {
  return new RegExp(`^${NAME}$`).test(text)
}
