/** What a program prints, as it comes: kept up to a limit, and told line by line with secrets masked. */
import { firstBytes } from '../first-bytes.ts'
import type { CommandOptions } from '../machine.ts'
import { afterMarker, lineReader, masker } from './lines.ts'

/** A program as it is run and as it is shown. */
export interface Program {
  readonly title: string
  readonly argv: readonly string[]
  /** The shell that runs a text; its exit code 127 is what it says of a command that it does not find. */
  readonly isText: boolean
}

export interface ProgramOptions extends CommandOptions {
  /** `may`: run in the login folder when `cwd` does not exist. Default `must`. */
  readonly folder?: 'must' | 'may' | undefined
}

const MAX_OUTPUT = 16 * 1024 * 1024

export interface ProgramOutput {
  readonly onStdout: (chunk: Buffer) => void
  readonly onStderr: (chunk: Buffer) => void
  /** Resolves with the number of the program's process once it is about to start. */
  readonly started: Promise<string>
  /** Why it was not started: the script's own words. */
  refusal(): { readonly code: string; readonly reason: string } | undefined
  hasStarted(): boolean
  texts(): { readonly stdout: string; readonly stderr: string; readonly truncated: boolean }
  end(): void
}

export function programOutput(marker: string, options: ProgramOptions): ProgramOutput {
  const { promise, resolve } = Promise.withResolvers<string>()
  const mask = masker(Object.values(options.secrets ?? {}))
  const max = options.maxOutputBytes ?? MAX_OUTPUT
  let refusal: { code: string; reason: string } | undefined
  let started = false
  const kept = { stdout: firstBytes(max), stderr: firstBytes(max) }
  const reader = (stream: 'stdout' | 'stderr') => lineReader((line) => options.onOutput?.(mask(line), stream))
  const lines = { stdout: reader('stdout'), stderr: reader('stderr') }
  const take =
    (stream: 'stdout' | 'stderr') =>
    (chunk: Buffer): void => {
      kept[stream].push(chunk)
      lines[stream].push(chunk)
    }
  const onStdout = afterMarker(marker, {
    onMarker(line) {
      const [key = '', first = '', ...rest] = line.split(' ')
      if (key === 'pid') {
        started = true
        resolve(first)
      } else refusal = { code: first, reason: rest.join(' ') }
    },
    onBytes: take('stdout'),
  })
  const onStderr = afterMarker(marker, { onMarker: () => undefined, onBytes: take('stderr') })
  return {
    onStdout,
    onStderr,
    started: promise,
    refusal: () => refusal,
    hasStarted: () => started,
    texts: () => ({
      stdout: kept.stdout.text(),
      stderr: kept.stderr.text(),
      truncated: kept.stdout.truncated() || kept.stderr.truncated(),
    }),
    end() {
      lines.stdout.end()
      lines.stderr.end()
    },
  }
}
