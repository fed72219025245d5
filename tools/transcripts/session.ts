/**
 * A shell session as Markdown: every command is run by `sh` on a pty of 80 columns, and what stays on the screen is written down. What differs
 * from run to run (times, digests, ports, temporary folders) is put in fixed words, so that the text changes only when ship does.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { onPty, type PtyOptions } from '../terminal/pty.ts'
import { pageOf, textOf } from '../terminal/screen.ts'

const SIZE = { columns: 80, rows: 60 }

export interface Session {
  /** A paragraph. */
  say(text: string): void
  /** Runs a line; throws when it ends otherwise than expected. Resolves with what was shown, as it was. */
  run(line: string, options?: RunOptions): Promise<string>
  /** Writes a file of the project and shows it. */
  write(path: string, content: string): void
  /** The whole text. */
  text(): string
}

interface RunOptions {
  readonly code?: number
  readonly answers?: PtyOptions['answers']
}

export interface Place {
  readonly title: string
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  /** Words of this run, and what stands for them; the first that fits counts. */
  readonly words: readonly (readonly [string, string])[]
}

export function openSession({ title, cwd, env, words }: Place): Session {
  const blocks = [`# ${title}`]
  const steady = (text: string): string => steadied(text, words)
  return {
    say: (text) => void blocks.push(text),
    async run(line, { code = 0, answers } = {}) {
      const recorded = await onPty(['sh', '-c', line], { cwd, env, ...SIZE, ...(answers ? { answers } : {}) })
      const page = await pageOf(recorded.pieces.map(({ data }) => data).join(''), SIZE)
      const shown = page.map(textOf).join('\n')
      if (recorded.code !== code) throw new Error(`"${line}" ended with ${recorded.code}:\n${shown}`)
      const exit = code === 0 ? '' : `$ echo $?\n${code}\n`
      blocks.push(`\`\`\`console\n${steady(`$ ${line}\n${shown === '' ? '' : `${shown}\n`}`)}${exit}\`\`\``)
      return shown
    },
    write(path, content) {
      writeFileSync(join(cwd, path), content)
      blocks.push(`\`${path}\`:`, `\`\`\`${path.split('.').at(-1) ?? ''}\n${steady(content.trimEnd())}\n\`\`\``)
    },
    text: () => `${blocks.join('\n\n')}\n`,
  }
}

function steadied(text: string, words: Place['words']): string {
  const named = words.reduce((now, [word, instead]) => now.replaceAll(word, instead), text)
  return (
    named
      // How long steps took; other times in the width that they have.
      .replaceAll(/^( *[✔✖] .*?) +\((?:\d+(?:\.\d)? (?:ms|s|min) ?)+\)$/gm, '$1')
      .replaceAll(/\b\d\.\d s\b/g, '1.0 s')
      .replaceAll(/(?<put>put back {2})[34]\d s/g, '$<put>30 s')
      .replaceAll(/\bin \d+s$/gm, 'in 3s')
      .replaceAll(/\b\d\d\.\d GB\b/g, '73.9 GB')
      .replaceAll(/\b\d+ s ago\b/g, 'just now')
      .replaceAll(/\b\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\b/g, '2026-01-02T10-20-30')
      .replaceAll(/\b\d{4}-\d\d-\d\d( |T)\d\d:\d\d(:\d\d)?/g, (all) => '2026-01-02 10:20:30'.slice(0, all.length))
      .replaceAll(/SHA256:[A-Za-z0-9+/]{43}/g, 'SHA256:wPfDQ8lYk3Lx0bR5vUqzT1mC7hNaJ4oEsG2iXyKdZ9c')
      .replaceAll(/-[0-9a-f]{8}\b(?=\.(?:run\.log|txt))/g, '-1f2e3d4c')
      .replaceAll(/\b(?=[0-9a-f]*\d)[0-9a-f]{12,64}(?![0-9a-f])/g, (all) =>
        '4f9c02d7b1a86e35'.repeat(4).slice(0, all.length),
      )
      .replaceAll(/\b\d+(?:\.\d+)? [kM]B\/s/g, '1.0 MB/s')
  )
}
