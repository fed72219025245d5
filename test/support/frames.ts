/** What a host says, taken at once. */
import { frameReader, type Answer } from '../../src/host/shell/frame.ts'

/** Reads the frames of an answer; undefined when its end is missing. */
export function parseAnswer(stdout: string, marker: string): Answer | undefined {
  const reader = frameReader(marker)
  reader.push(Buffer.from(stdout))
  return reader.answer()
}
