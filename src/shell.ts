/**
 * The only way a value gets near a shell: a `Script` is fixed text plus argument values, and the values are quoted here.
 * The text reads them as "$1", "$2", ...; it never contains a value itself.
 */

/** A POSIX sh program: text we wrote, and its arguments. `name` is for messages ("probe", "stage"). */
export interface Script {
  readonly name: string
  readonly text: string
  readonly args: readonly string[]
}

/** A word that every POSIX shell reads as exactly this string. Throws on NUL, which no argument can hold. */
export function quote(value: string): string {
  if (value.includes('\0')) throw new RangeError('an argument cannot hold a NUL byte')
  return /^[A-Za-z0-9_./:=@%+,-]+$/.test(value) ? value : `'${value.replaceAll("'", `'\\''`)}'`
}

/**
 * A word of one line that login shells of any kind read alike. What some of them read in quotes stands outside of those: fish takes a
 * backslash for its own, csh and tcsh an exclamation mark. zsh replaces a word that begins with "=".
 */
function anyShellWord(value: string): string {
  if (value.includes('\0')) throw new RangeError('an argument cannot hold a NUL byte')
  if (/^[A-Za-z0-9_./:@+,-]+$/.test(value)) return value
  return `'${value.replaceAll(/['\\!]/g, (char) => (char === "'" ? `'"'"'` : `'\\${char}'`))}'`
}

/** Characters that may stand for a line feed: csh and tcsh read no word of several lines. The first that no value has is taken. */
const LINE_MARKS = ['\u001f', '\u001e', '\u001d', '\u001c', '\u0005', '\u0006']

/**
 * Puts the line feeds back into each argument, runs the first one with the others, and leaves no trace: no process is started for it. `IFS`
 * ends in a line feed when a shell starts. A trailing field that is empty would be lost, so there is a dot behind it.
 */
const lineReader = (mark: string): string =>
  [
    'ship_ifs=$IFS; ship_nl=${IFS#??}; set -f',
    'ship_lines() { IFS=$ship_nl; ship_word="$*"; ship_word=${ship_word%.}; }',
    'ship_left=$#',
    `while [ "$ship_left" -gt 0 ]; do case $1 in *${mark}*) ship_word=$1.; IFS=${mark}; ship_lines $ship_word; IFS=$ship_ifs ;; *) ship_word=$1 ;; esac`,
    'shift; set -- "$@" "$ship_word"; ship_left=$((ship_left-1)); done',
    'ship_word=$1; shift; set +f; unset ship_ifs ship_nl ship_left; unset -f ship_lines; eval "unset ship_word; $ship_word"',
  ].join('; ')

/**
 * The command line for sshd, which gives it to the user's login shell, whatever that is: a fresh `sh` that runs the script's text. It is
 * one line. Throws on NUL, and on a value that has every character that could stand for a line feed.
 */
export function commandLine(script: Script): string {
  const { text, words } = onOneLine(script)
  return ['exec', 'sh', '-c', anyShellWord(text), 'ship', ...words].join(' ')
}

/** The same for a `sh` that runs already and has nothing else to do: another one would be a process image more to load. */
export function evalLine(script: Script): string {
  const { text, words } = onOneLine(script)
  return [`set --${words.map((word) => ` ${word}`).join('')}`, text].join('; ')
}

/** A text of one line and the quoted words that it is to be run with. */
function onOneLine(script: Script): { readonly text: string; readonly words: readonly string[] } {
  const words = [script.text, ...script.args]
  if (!words.some((word) => word.includes('\n'))) return { text: script.text, words: script.args.map(anyShellWord) }
  const mark = LINE_MARKS.find((char) => !words.some((word) => word.includes(char)))
  if (mark === undefined) throw new RangeError('no character is left to stand for a line feed')
  const lines = words.map((word) => anyShellWord(word.replaceAll('\n', mark)))
  return { text: lineReader(mark), words: lines }
}

/** The same for a local process: argv without any shell around it. */
export function commandArgv(script: Script): readonly string[] {
  return ['sh', '-c', script.text, 'ship', ...script.args]
}
