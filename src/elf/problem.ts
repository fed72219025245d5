/** What is wrong with one file of a tree. */
export interface Problem {
  readonly path: string
  /** Predicate of a sentence whose subject is the path: `needs libz.so.1, which ...`. */
  readonly problem: string
  /** What to do, as a sentence without a full stop. */
  readonly cure: string
}
