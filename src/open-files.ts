/** How many files this process may have open at once, and what to say when that is too few. Connections and pipes count as files. */
import { ShipError } from './errors.ts'

/**
 * The limit of this process (`ulimit -n`), `Infinity` where there is none or it is not known. Node raises the soft limit to the hard
 * one when it starts, so this is the hard one.
 */
export function openFilesLimit(): number {
  const report: NodeJS.ProcessReport & { excludeNetwork?: boolean } = process.report
  // Looking up the names of its own connections would take seconds.
  report.excludeNetwork = true
  const { userLimits } = report.getReport() as { readonly userLimits?: { readonly open_files?: { soft?: unknown } } }
  const soft = userLimits?.open_files?.soft
  return typeof soft === 'number' ? soft : Number.POSITIVE_INFINITY
}

/** What to change when there are too few. */
export function raiseLimit(needed: number): readonly string[] {
  return [
    `raise the limit of open files in the shell that starts ship: ulimit -n ${Math.ceil(needed / 256) * 256}`,
    'or take fewer hosts at a time: --hosts, --roles',
  ]
}

/** Undefined when an error is about something else. Such an error says nothing of a host, and must not pass as a host that is missing. */
export function tooManyFiles(error: unknown): ShipError | undefined {
  if (!(error instanceof Error && 'code' in error)) return undefined
  const { code, info } = error as { readonly code: unknown; readonly info?: { readonly code?: unknown } }
  const own = code === 'ERR_SYSTEM_ERROR' ? info?.code : code
  if (own !== 'EMFILE' && own !== 'ENFILE') return undefined
  const whose =
    own === 'EMFILE' ? 'this process has as many files open as it may' : 'this machine has no open file left'
  return new ShipError('config', `${whose} (${own})`, { cause: error, next: raiseLimit(1024) })
}
