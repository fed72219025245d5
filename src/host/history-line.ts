/** One line of `.ship/history.ndjson`. */
export interface HistoryLine {
  readonly schema: 1
  readonly at: string
  readonly run: string
  readonly by: string
  readonly action: 'release' | 'rollback' | 'put-back' | 'pin' | 'unpin' | 'prune' | 'unlock'
  readonly version: string | null
  readonly from: string | null
  readonly outcome: 'ok' | 'failed'
  readonly digest?: string | undefined
  readonly url?: string | undefined
  readonly note?: string | undefined
}
