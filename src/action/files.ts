/** The files by which the runner is told things: GITHUB_OUTPUT and GITHUB_STEP_SUMMARY. They are appended to. */
import { randomBytes } from 'node:crypto'
import { appendFileSync, existsSync, statSync, truncateSync } from 'node:fs'

/** What the runner takes for one step is 1 MiB. */
const MAX_SUMMARY_BYTES = 1_000_000

/** Without a file, or with an empty name, nobody wants to know. */
export function writeOutputs(file: string | undefined, outputs: Readonly<Record<string, string>>): void {
  if (file === undefined || file === '') return
  const text = Object.entries(outputs).map(([name, value]) => {
    // A value must not be able to end itself.
    const end = `end_${randomBytes(12).toString('hex')}`
    return `${name}<<${end}\n${value}\n${end}\n`
  })
  appendFileSync(file, text.join(''))
}

/** Writes a summary; a later one takes the place of an earlier one. */
export function summaryFile(file: string | undefined): (text: string) => void {
  if (file === undefined || file === '') return () => undefined
  const before = existsSync(file) ? statSync(file).size : 0
  return (text) => {
    if (existsSync(file)) truncateSync(file, before)
    const bytes = Buffer.from(text)
    const room = MAX_SUMMARY_BYTES - before
    appendFileSync(
      file,
      bytes.length <= room ? bytes : `${bytes.subarray(0, Math.max(0, room - 100)).toString()}\n\n(cut: too long)\n`,
    )
  }
}
