/** The description of a package: one line, and the paragraphs below it, both of which policy (3.4) wants. */
import type { Description } from './control.ts'

const MAX_SYNOPSIS = 80

/** Why a text is no description of a package; undefined when it is one. */
export function descriptionProblem(text: string, packageName?: string): string | undefined {
  const { synopsis } = split(text)
  if (synopsis === '') return 'is empty'
  if (synopsis.length > MAX_SYNOPSIS)
    return `has a first line of more than ${MAX_SYNOPSIS} characters; let the rest follow below it`
  if (packageName !== undefined && startsWith(synopsis, packageName))
    return 'starts with the name of the package; say what it is'
  return undefined
}

/** `about`: what stands below a description that is one line only. */
export function descriptionOf(text: string, about: string): Description {
  const { synopsis, extended } = split(text)
  return { synopsis: synopsis.replace(/\.$/, ''), extended: extended === '' ? about : extended }
}

/** A description from elsewhere (package.json), made fit: it was not written for this. */
export function fitted(text: string, packageName: string): string {
  const line = text.trim().replaceAll(/\s+/g, ' ')
  const bare = startsWith(line, packageName)
    ? line.slice(packageName.length).replace(/^[\s:,;–—-]+(?:is\s+)?/, '')
    : line
  const short = bare.replace(/^(?:an?|the)\s+/i, '')
  if (short.length <= MAX_SYNOPSIS) return short
  const cut = short.slice(0, MAX_SYNOPSIS - 3).replace(/\s+\S*$/, '')
  return `${cut}...\n${line}`
}

function startsWith(synopsis: string, name: string): boolean {
  const start = synopsis.slice(0, name.length).toLowerCase() === name.toLowerCase()
  return start && !/^[a-z0-9]/i.test(synopsis.slice(name.length))
}

function split(text: string): Description {
  const [synopsis = '', ...rest] = text.replaceAll('\r\n', '\n').trim().split('\n')
  return { synopsis: synopsis.trim(), extended: rest.join('\n').trim() }
}
