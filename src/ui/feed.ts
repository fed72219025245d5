/** A queue with an end, for a reader that waits. */

export interface Feed<T> {
  push(item: T): void
  end(): void
  /** The next item that nobody took yet; undefined after the end. */
  next(): Promise<T | undefined>
}

/** An empty feed; or one that gives `first` and then what `rest` gives. */
export function feed<T>(first?: T, rest?: Feed<T>): Feed<T> {
  const items: T[] = first === undefined ? [] : [first]
  let ended = false
  let waiting = Promise.withResolvers<void>()
  const wake = (): void => {
    waiting.resolve()
    waiting = Promise.withResolvers()
  }
  return {
    push(item) {
      items.push(item)
      wake()
    },
    end() {
      ended = true
      wake()
    },
    async next() {
      const item = items.shift()
      if (item !== undefined) return item
      if (rest) return rest.next()
      if (ended) return undefined
      await waiting.promise
      return this.next()
    },
  }
}
