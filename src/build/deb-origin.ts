/** What the project says of itself, where the configuration of its packages does not: package.json, LICENSE, CHANGELOG.md. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'

const person = z.union([
  z.string(),
  z.object({ name: z.string(), email: z.string() }).transform(({ name, email }) => `${name} <${email}>`),
])
const packageFile = z.object({
  description: z.string().optional().catch(undefined),
  homepage: z.string().optional().catch(undefined),
  license: z.string().optional().catch(undefined),
  author: person.optional().catch(undefined),
})

export interface Origin {
  readonly description: string | undefined
  readonly homepage: string | undefined
  readonly license: string | undefined
  /** `Name <mail>`. */
  readonly author: string | undefined
  /** Text of the licence. */
  readonly text: string | undefined
}

/** Looks into the folders in their order; the first that has a thing wins. */
export function originOf(folders: readonly string[]): Origin {
  const found = folders.map((folder) => packageFile.parse(readJson(join(folder, 'package.json'))))
  const first = (key: keyof z.output<typeof packageFile>): string | undefined =>
    found.map((p) => p[key]).find((value) => value !== undefined && value !== '')
  const homepage = first('homepage')
  const author = /^[^<>,"@]+ <[^\s<>@,]+@[^\s<>@,]+\.[^\s<>@,]+>/.exec(first('author') ?? '')?.[0]
  return {
    description: first('description'),
    homepage: homepage !== undefined && URL.canParse(homepage) ? homepage : undefined,
    license: first('license'),
    author,
    text: folders.map(licenceText).find((text) => text !== undefined),
  }
}

function readJson(file: string): unknown {
  if (!existsSync(file)) return {}
  try {
    const value: unknown = JSON.parse(readFileSync(file, 'utf8'))
    return typeof value === 'object' ? value : {}
  } catch {
    return {}
  }
}

function licenceText(folder: string): string | undefined {
  const names = readdirSync(folder).toSorted()
  const name = names.find((n) => /^(?:licen[cs]e|copying)(?:\.(?:txt|md))?$/i.test(n))
  return name === undefined ? undefined : readFileSync(join(folder, name), 'utf8')
}
