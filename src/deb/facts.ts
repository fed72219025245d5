/** What a package's maintainer scripts and system files are made from: plain values, decided by the configuration and the recipe. */
import type { ServiceSpec } from './service.ts'

export type ScriptName = 'preinst' | 'postinst' | 'prerm' | 'postrm'

export interface PackageFacts {
  /** Name of the Debian package; its tree lies in `/opt/<package>`. */
  readonly package: string
  /** Folder of this release in `/opt/<package>/releases`: the app's version. */
  readonly release: string
  /** False for a package without a tree (a meta package): no `current`, no bridge. */
  readonly hasTree: boolean
  readonly services: readonly ServiceSpec[]
  /** Content of the package's sysusers.d(5) fragment. Users that services name and that it lacks are added. */
  readonly sysusers: string | undefined
  /** Content of the package's tmpfiles.d(5) fragment. */
  readonly tmpfiles: string | undefined
  readonly conffiles: readonly string[]
  /** Whether the package asks questions by debconf(7). */
  readonly debconf?: boolean | undefined
  /** Texts of the project's own scripts. */
  readonly custom: Readonly<Partial<Record<ScriptName, string>>>
}
