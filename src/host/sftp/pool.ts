/** Work that overlaps, bounded: over SFTP each request waits for its answer, so many are kept in flight. */

export interface Pool {
  /** Resolves when the task has begun. Rejects with the first failure of any task. */
  add(task: () => Promise<void>): Promise<void>
  /** Resolves when all tasks have ended, rejects with the first failure. */
  drain(): Promise<void>
}

/** Requests in flight for small things, and files on their way at once. */
export const AT_ONCE = 64

export function makePool(limit: number): Pool {
  const running = new Set<Promise<void>>()
  const failures: { readonly error: unknown }[] = []
  const throwFailure = (): void => {
    const [first] = failures
    if (first) throw first.error
  }
  const run = async (task: () => Promise<void>): Promise<void> => {
    try {
      await task()
    } catch (error) {
      failures.push({ error })
    }
  }
  return {
    async add(task) {
      while (running.size >= limit && failures.length === 0) await Promise.race(running)
      throwFailure()
      const one = run(task).finally(() => running.delete(one))
      running.add(one)
    },
    async drain() {
      await Promise.all(running)
      throwFailure()
    },
  }
}

/** Work for each item, `AT_ONCE` at a time. On failure what was begun is waited for, then the first failure is thrown. */
export async function forEach<T>(items: Iterable<T>, work: (item: T) => Promise<void>, limit = AT_ONCE): Promise<void> {
  const pool = makePool(limit)
  try {
    for (const item of items) await pool.add(() => work(item))
  } finally {
    await pool.drain()
  }
}
