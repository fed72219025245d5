/**
 * Questions to a person. Never without a terminal: then the error names the flag to use instead. Input stays in the terminal's own
 * line mode, so that Ctrl-C is an ordinary SIGINT.
 */
import { createInterface } from 'node:readline'
import { ShipError } from '../errors.ts'
import { escapeControls } from '../names.ts'

export interface Prompts {
  /** Whether there is somebody to ask. */
  readonly interactive: boolean
  /** Yes or no. True at once with `--yes`. */
  confirm(question: string): Promise<boolean>
  /** Wants a name typed, for what cannot be taken back. True at once with `--yes`. */
  typeName(question: string, name: string): Promise<boolean>
  /** A line of text; an empty answer is `fallback`. What `problemOf` complains about is asked again. */
  text(question: string, fallback: string, problemOf?: (answer: string) => string | undefined): Promise<string>
  /** One of a numbered list, the first by default. `instead` is what to type without a terminal. */
  pick<T>(
    question: string,
    choices: readonly { readonly label: string; readonly value: T }[],
    instead: string,
  ): Promise<T>
}

export interface PromptOptions {
  readonly input: NodeJS.ReadableStream
  readonly output: NodeJS.WritableStream
  readonly interactive: boolean
  readonly yes: boolean
  readonly signal: AbortSignal
}

export function openPrompts(options: PromptOptions): Prompts {
  const ask = (question: string, instead: string): Promise<string> => {
    if (options.interactive) return readAnswer(question, options)
    throw new ShipError('usage', 'cannot ask without a terminal', { details: [question.trim()], next: [instead] })
  }
  return {
    interactive: options.interactive,
    async confirm(question) {
      if (options.yes) return true
      for (;;) {
        const answer = (await ask(`${question} [y/N] `, 'add --yes to go on without being asked')).toLowerCase()
        if (answer === 'y' || answer === 'yes') return true
        if (answer === '' || answer === 'n' || answer === 'no') return false
        options.output.write('please answer "yes" or "no"\n')
      }
    },
    async typeName(question, name) {
      if (options.yes) return true
      return (await ask(`${question}\ntype "${name}" to go on: `, 'add --yes to go on without being asked')) === name
    },
    async text(question, fallback, problemOf = () => undefined) {
      const shown = fallback === '' ? '' : ` [${escapeControls(fallback)}]`
      for (;;) {
        const answer = (await ask(`${question}${shown}: `, 'give it as a flag; --help names them')) || fallback
        const problem = problemOf(answer)
        if (problem === undefined) return answer
        options.output.write(`${escapeControls(problem)}\n`)
      }
    },
    async pick(question, choices, instead) {
      const list = choices.map(({ label }, i) => `  ${String(i + 1).padStart(2)}) ${escapeControls(label)}\n`)
      for (;;) {
        const answer = await ask(`${question}\n${list.join('')}number [1]: `, instead)
        const chosen = choices[answer === '' ? 0 : Number(answer) - 1]
        if (chosen) return chosen.value
        options.output.write(`please type a number from 1 to ${choices.length}\n`)
      }
    },
  }
}

function readAnswer(question: string, { input, output, signal }: PromptOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason)
    const lines = createInterface({ input, output, terminal: false })
    const onAbort = (): void => {
      output.write('\n')
      settle(() => reject(signal.reason))
    }
    const onClose = (): void => settle(() => reject(new ShipError('usage', 'no answer: the input ended')))
    const settle = (then: () => void): void => {
      signal.removeEventListener('abort', onAbort)
      lines.off('close', onClose)
      lines.close()
      then()
    }
    signal.addEventListener('abort', onAbort, { once: true })
    lines.once('close', onClose)
    lines.once('line', (line) => settle(() => resolve(line.trim())))
    output.write(question)
  })
}
