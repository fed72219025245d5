/** What the configuration says of the systems that a tree is for. */
import { z } from 'zod'
import { TARGET_NAMES } from '../elf/targets.ts'
import { nearest } from './nearest.ts'

export const targets = z
  .array(z.enum(TARGET_NAMES, { error: (issue) => whyNone(issue.input) }))
  .default([])
  .describe('Distributions that it must run on; a program that needs newer C libraries than theirs is refused')

export const systemLibraries = z
  .array(
    z
      .string()
      .min(1)
      .refine((name) => !name.includes('/'), 'is a path; name the library as programs do: "libpq.so.5"'),
  )
  .default([])
  .describe('Libraries that hosts give besides the C and C++ ones: "libpq.so.5", "libX*.so.*"')

function whyNone(input: unknown): string {
  if (typeof input !== 'string') return 'is not the name of a distribution'
  if (/^(?:alpine|musl)/i.test(input)) return `"${input}" cannot be a target: its C library is musl, not glibc`
  const near = nearest(input, TARGET_NAMES)
  return `"${input}" is not a known target; ${near === undefined ? `use ${TARGET_NAMES.join(', ')}` : `did you mean "${near}"?`}`
}
