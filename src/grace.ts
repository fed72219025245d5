/** Work that is better ended than broken off. */

/** Gives work a signal that aborts so much later than another one. */
export async function withGrace<T>(
  signal: AbortSignal,
  ms: number,
  work: (late: AbortSignal) => Promise<T>,
): Promise<T> {
  const late = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const onAbort = (): void => {
    timer = setTimeout(() => late.abort(signal.reason), ms)
  }
  if (signal.aborted) onAbort()
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await work(late.signal)
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', onAbort)
  }
}
