/** Exit codes in words, for the help. */
const MEANINGS: ReadonlyMap<number, string> = new Map([
  [0, 'done'],
  [1, 'a defect of ship itself'],
  [2, 'usage or configuration; hosts untouched'],
  [3, 'the build failed; hosts untouched'],
  [4, 'a host not reached, or its key or the login refused; hosts untouched'],
  [5, 'failed, and nothing was switched: "current" untouched everywhere'],
  [6, 'failed after a switch; every host was put back and passed its gate'],
  [7, 'failed, and a host was not put back: a person is needed'],
  [8, 'locked by another run; hosts untouched'],
  [9, 'refused: tampered, other bytes, changed since the plan, a downgrade'],
  [130, 'interrupted by SIGINT; cleaned up and unlocked'],
  [143, 'interrupted by SIGTERM; cleaned up and unlocked'],
])

/** Every code with what it means. */
export function exitMeanings(): readonly (readonly [code: number, meaning: string])[] {
  return [...MEANINGS]
}

/** Lines such as "  3    the build failed; hosts untouched"; 1 means something else for commands that answer yes or no. */
export function exitLines(codes: readonly number[], one?: string): readonly string[] {
  const all = [...new Set([0, 1, 2, ...codes, 130, 143])].toSorted((a, b) => a - b)
  return all.map((code) => {
    const meaning = code === 1 && one !== undefined ? `${one}, or a defect of ship itself` : MEANINGS.get(code)
    return `  ${String(code).padEnd(4)} ${meaning ?? ''}`
  })
}
