/** What a host does by itself when it hears nothing from a run for a while. */
import type { HistoryLine } from './history-line.ts'
import type { ReleaseRecord } from './record.ts'

/** What the lock of a host says while it goes back by itself. */
export const GOING_BACK = 'put itself back'

export interface WayBack {
  /** After so much silence. */
  readonly afterMs: number
  /** What `current` must be for it, as text of the link. */
  readonly target: string
  /** What it becomes; null: nothing, as before a first release. */
  readonly back: string | null
  /** Written when it is done; undefined: no record changes. */
  readonly record: ReleaseRecord | undefined
  readonly history: HistoryLine
  /** The same when a hook failed; the ones behind it are not run. */
  readonly historyBadly: HistoryLine
  /** Run in `current` when it is put back. */
  readonly hooks: readonly {
    readonly argv: readonly string[]
    readonly env: Readonly<Record<string, string>>
    readonly timeoutMs: number
  }[]
}
