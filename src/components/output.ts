/** The output of a recipe's programs: whole lines for the log, and the last of them for its error. */
export interface Lines {
  /** Takes output as it comes. */
  readonly add: (text: string) => void
  /** Gives out what is left of a line without an end. */
  readonly end: () => void
  /** The last lines. */
  readonly tail: () => readonly string[]
}

export function linesTo(log: (line: string) => void, kept: number): Lines {
  const last: string[] = []
  let rest = ''
  const give = (line: string): void => {
    last.push(line)
    if (last.length > kept) last.shift()
    log(line)
  }
  return {
    add(text) {
      const lines = `${rest}${text}`.split(/\r?\n/)
      rest = lines.pop() ?? ''
      for (const line of lines) give(line)
    },
    end() {
      if (rest !== '') give(rest)
      rest = ''
    },
    tail: () => last,
  }
}
