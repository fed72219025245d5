/** Secrets of a run: lines that the runner hides in the log, and that are hidden here in what is written to files. */

/** Shorter ones would hide half of the text. */
const SHORTEST = 4

/** What must not be seen: each value, and each line of one that has several, as logs are read line by line. */
export function secretLines(values: readonly (string | undefined)[]): readonly string[] {
  const lines = values.flatMap((value) => (value === undefined ? [] : [value, ...value.split(/\r?\n/)]))
  const secret = lines
    .map((line) => line.trim())
    .filter((line) => line.length >= SHORTEST && !/^-----(?:BEGIN|END) [A-Z ]+-----$/.test(line))
  // Longest first: a part of one must not keep the rest from being found.
  return [...new Set(secret)].toSorted((a, b) => b.length - a.length)
}

export function redacted(text: string, secrets: readonly string[]): string {
  return secrets.reduce((left, secret) => left.replaceAll(secret, '***'), text)
}
