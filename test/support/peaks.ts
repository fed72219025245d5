/** What a running process takes of this machine at most: memory by the kernel's own count, open files by looking often. */
import { readdirSync, readFileSync } from 'node:fs'

export interface Peaks {
  /** Greatest resident memory, bytes. */
  readonly rssBytes: number
  /** Most open files that were seen. */
  readonly files: number
}

const LOOK_MS = 15

/** Watches from now on until the process is gone; asked afterwards. */
export function watchPeaks(pid: number): () => Peaks {
  let rssBytes = 0
  let files = 0
  const timer = setInterval(() => {
    try {
      files = Math.max(files, readdirSync(`/proc/${pid}/fd`).length)
      const kilobytes = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
      rssBytes = Math.max(rssBytes, Number(kilobytes ?? 0) * 1024)
    } catch {
      clearInterval(timer)
    }
  }, LOOK_MS)
  timer.unref()
  return () => ({ rssBytes, files })
}
