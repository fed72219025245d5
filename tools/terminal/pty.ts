/** Runs a program on a pty of its own, by script(1), and keeps what it wrote with its times. */
import { spawn } from 'node:child_process'

/** What a program wrote at once, and when, in ms since it began. */
export interface Piece {
  readonly atMs: number
  readonly data: string
}

export interface Recorded {
  readonly pieces: readonly Piece[]
  readonly durationMs: number
  readonly code: number
}

export interface PtyOptions {
  readonly cwd: string
  /** All of its environment, TERM apart. */
  readonly env: Readonly<Record<string, string>>
  readonly columns: number
  readonly rows: number
  /** Typed when the text is seen, each once and in this order. */
  readonly answers?: readonly { readonly when: string; readonly type: string; readonly afterMs?: number }[]
}

/** What is this near belongs to one drawing, which a pipe may have cut in two. */
const TOGETHER_MS = 12

/** Resolves whatever the exit code. */
export function onPty(argv: readonly string[], options: PtyOptions): Promise<Recorded> {
  const { cwd, columns, rows } = options
  const line = argv.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ')
  const env = { TERM: 'xterm-256color', SHELL: '/bin/sh', ...options.env }
  const child = spawn('script', ['-qefc', `stty cols ${columns} rows ${rows}; exec ${line}`, '/dev/null'], { cwd, env })
  const waiting = [...(options.answers ?? [])]
  const pieces: Piece[] = []
  const began = performance.now()
  let unseen = ''
  return new Promise((resolve, reject) => {
    child.stdout.setEncoding('utf8')
    child.stdout.on('data', (data: string) => {
      const atMs = performance.now() - began
      const last = pieces.at(-1)
      if (last && atMs - last.atMs < TOGETHER_MS)
        pieces[pieces.length - 1] = { atMs: last.atMs, data: last.data + data }
      else pieces.push({ atMs, data })
      unseen += data
      const [next] = waiting
      if (next === undefined || !unseen.includes(next.when)) return
      waiting.shift()
      unseen = ''
      setTimeout(() => child.stdin.write(next.type), next.afterMs ?? 0)
    })
    child.once('error', reject)
    child.once('close', (code) => resolve({ pieces, durationMs: performance.now() - began, code: code ?? 1 }))
  })
}
