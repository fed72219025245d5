/** Where the configuration takes the version from. */
import { z } from 'zod'

/** "git:shop-v": tags that start so. Refused is what cannot stand in the name of a tag, and what git would read as a pattern. */
export const versionText = z
  .string()
  .min(1)
  .refine((text) => text !== 'git:', 'names no prefix; write "git", or for example "git:shop-v"')
  .refine(
    (text) => !text.startsWith('git:') || !/[\s~^:?*[\\\p{Cc}]|\.\.|@\{|\/\/|^[-/]/u.test(text.slice(4)),
    'has a prefix that no tag can have',
  )
