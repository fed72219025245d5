/** The archive formats. A new one is a file beside this one and a line here. */
import type { Format } from './format.ts'
import { tarGz } from './tar-gz.ts'
import { tarZst } from './tar-zst.ts'
import { zip } from './zip.ts'

const FORMATS = [tarGz, tarZst, zip] as const

/** Their names, for the schema of the configuration. */
export const FORMAT_NAMES = FORMATS.map((f) => f.name)

/** All formats, in the order of preference when a bundle is there in several: the cheapest to read first. */
export const formats: readonly Format[] = [tarZst, tarGz, zip]

/** The format that a file's name says it is; undefined for other files. */
export function formatOfFile(file: string): Format | undefined {
  return formats.find((f) => file.endsWith(`.${f.name}`))
}
