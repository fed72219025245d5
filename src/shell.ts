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
function quote(value: string): string {
  if (value.includes('\0')) throw new RangeError('an argument cannot hold a NUL byte')
  return /^[A-Za-z0-9_./:=@%+,-]+$/.test(value) ? value : `'${value.replaceAll("'", `'\\''`)}'`
}

/** The command line for sshd, which gives it to the user's login shell: a fresh `sh` that runs the script's text. */
export function commandLine(script: Script): string {
  return ['exec', 'sh', '-c', quote(script.text), 'ship', ...script.args.map(quote)].join(' ')
}

/** The same for a local process: argv without any shell around it. */
export function commandArgv(script: Script): readonly string[] {
  return ['sh', '-c', script.text, 'ship', ...script.args]
}
