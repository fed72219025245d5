/** A bundle: a manifest and an archive that holds exactly what it lists. */
import type { Manifest } from '../tree/manifest.ts'

export interface Bundle {
  readonly manifest: Manifest
  /** sha256 of the canonical manifest, hexadecimal: the identity of the bundle. */
  readonly digest: string
  /** Absolute path of the archive that is read. */
  readonly archive: string
  /** Name of the archive's format. */
  readonly format: string
}
