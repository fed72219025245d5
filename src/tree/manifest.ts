/**
 * The manifest: every path of a staged tree, with its digest. It is the identity of a bundle: two bundles are the same
 * exactly when the digests of their manifests are equal, whatever archive carries them.
 */
import type { AppName, RelPath } from '../names.ts'
import type { Component } from '../recipe.ts'
import type { Version } from '../version.ts'

/** `mode` holds the permission bits only (0o644, 0o755); owner and times are not part of a tree. */
export type Entry =
  | {
      readonly path: RelPath
      readonly type: 'file'
      readonly mode: number
      readonly size: number
      readonly sha256: string
    }
  | { readonly path: RelPath; readonly type: 'dir'; readonly mode: number }
  | { readonly path: RelPath; readonly type: 'link'; readonly mode: number; readonly target: string }

export interface Manifest {
  readonly schema: 1
  readonly name: AppName
  readonly version: Version
  /** `<os>-<cpu>` as Node names them (`linux-x64`), or `any` when nothing in the tree depends on a platform. */
  readonly platform: string
  /** Seconds since 1970 that every archive stamps on its entries: SOURCE_DATE_EPOCH, else the commit's time. */
  readonly epoch: number
  /** Full commit id of the sources, when they come from git. `dirty` when the work tree differed from it. */
  readonly commit?: string | undefined
  readonly dirty?: boolean | undefined
  readonly components: readonly Component[]
  /** Sorted by path, bytewise; a directory stands before what it holds. */
  readonly entries: readonly Entry[]
}

/** A tree on disk and what it holds, frozen: every format reads the same one. */
export interface Tree {
  readonly root: string
  readonly manifest: Manifest
}
