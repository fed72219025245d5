/**
 * Scripts whose first line names an interpreter of the tree by an absolute path, made to find it beside themselves. The kernel knows no
 * relative form, so `/bin/sh` looks for it. Each language gets a head that is shell to the shell and nothing to itself, also
 * when the file is loaded rather than run: that of pip and uv for Python, those of perlrun(1) and of Ruby's own installer, and a label
 * in a string for Node. Any other interpreter, and Python where the head would take the place of a docstring, gets `env -S`, which keeps
 * the file as it is but for its first line.
 */
import { ShipError } from '../errors.ts'
import { escapeControls } from '../names.ts'
import { placeBelow } from './runpath.ts'
import { folderOf, originForm } from './search-path.ts'

/** A new head for a script: `head` takes the place of its first `length` bytes. */
export interface ShebangPlan {
  readonly before: string
  /** The shell's command that finds the interpreter. */
  readonly after: string
  readonly head: string
  readonly length: number
}

/** Linux before 5.1 cuts the first line off here. */
const MAX_LINE = 127
/** Characters without meaning to a shell within double quotes, and to `env -S`. */
const PLAIN_PATH = /^[A-Za-z0-9_.,:=@%+/ -]+$/
const PLAIN_ARGUMENTS = /^[A-Za-z0-9_.,:=@%+/ -]*$/
/** What pip writes when the path is too long for a first line, or has a space. */
const PIP_HEAD = /^#!\/bin\/sh\n'''exec' (?:"([^"\n]+)"|([^" \n]+)) ?(.*?) ?"\$0" "\$@"\n' '''\n/

/**
 * Plans the new head of a script; undefined when its interpreter is not below one of `from`. `content`: the whole script, in latin1.
 * Rejects (reason `build`) a script that no head fits, by its `path` in the tree.
 */
export function planShebang(content: string, path: string, from: readonly string[]): ShebangPlan | undefined {
  const script = parse(content)
  const place = script && placeBelow(script.interpreter, from)
  if (!script || place === undefined) return undefined
  const { args, length, before } = script
  const way = originForm(folderOf(path), place).replace(/^\$ORIGIN\/?/, '')
  if (!PLAIN_PATH.test(way) || !PLAIN_ARGUMENTS.test(args)) {
    throw refusal(path, before, 'it has characters that a shell would read otherwise')
  }
  const run = `exec "$(dirname -- "$(realpath -- "$0")")/${way}"`
  const words = args === '' ? '' : ` ${args.split(/[ \t]+/).join(' ')}`
  const after = `${run}${words}`
  const language = languageOf(place, content.slice(length))
  if (language !== undefined) return { before, after, head: HEADS[language](run, words), length }
  const line = `#!/usr/bin/env -S /bin/sh -c '${run}${words} "$0" "$@"'`
  if (line.length > MAX_LINE) {
    throw refusal(path, before, `a first line that is relative to the file would be longer than ${MAX_LINE} bytes`)
  }
  return { before, after, head: `${line}\n`, length }
}

interface Script {
  readonly interpreter: string
  readonly args: string
  /** Bytes that the interpreter is named in, with the end of the line. */
  readonly length: number
  readonly before: string
}

function parse(content: string): Script | undefined {
  const pip = PIP_HEAD.exec(content)
  if (pip) {
    const interpreter = pip[1] ?? pip[2] ?? ''
    return { interpreter, args: pip[3] ?? '', length: pip[0].length, before: interpreter }
  }
  const line =
    /^#![ \t]*(?:(?:\/usr)?\/bin\/env[ \t]+(?:-S[ \t]+)?(?=\/))?(\/[^ \t\r\n]+)[ \t]*([^\r\n]*?)[ \t\r]*(?:\n|$)/.exec(
      content,
    )
  if (!line) return undefined
  return { interpreter: line[1] ?? '', args: line[2] ?? '', length: line[0].length, before: line[0].trimEnd() }
}

/** The head for each language: `run` is the shell's command so far, `words` the arguments of the interpreter. */
const HEADS = {
  python: (run: string, words: string) => `#!/bin/sh\n'''exec'${run.slice('exec'.length)}${words} "$0" "$@"\n' '''\n`,
  // With -x Perl and Ruby start to read at the line that names them.
  perl: (run: string, words: string) => `#!/bin/sh\neval '${run}${words} -x "$0" "$@"'\n  if 0;\n#!perl\n`,
  ruby: (run: string, words: string) =>
    `#!/bin/sh\n# -*- ruby -*-\n_=_\\\n=begin\n${run}${words} -x "$0" "$@"\n=end\n#!/usr/bin/env ruby\n`,
  node: (run: string, words: string) => `#!/bin/sh\n':' //; ${run}${words} "$0" "$@"\n`,
}

function languageOf(interpreter: string, body: string): keyof typeof HEADS | undefined {
  const name = interpreter.slice(interpreter.lastIndexOf('/') + 1)
  const language = /^(python|perl|ruby|node)(?:js)?[\d.]*t?$/.exec(name)?.[1] as keyof typeof HEADS | undefined
  return language === 'python' && !standsHead(body) ? undefined : language
}

/** Whether a string in front of a Python script changes nothing: no docstring, no future import, no encoding other than UTF-8. */
function standsHead(body: string): boolean {
  const first = body.split('\n').find((line) => !/^[ \t\f]*(?:#.*)?\r?$/.test(line)) ?? ''
  const encoding = /^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)/.exec(body)?.[1] ?? 'utf-8'
  return !/^[rRuU]?["']/.test(first) && !/^from[ \t]+__future__[ \t]/m.test(body) && /^utf-?8$/i.test(encoding)
}

function refusal(path: string, before: string, why: string): ShipError {
  return new ShipError('build', `"${escapeControls(path)}" cannot be made to find its interpreter: ${why}`, {
    details: [escapeControls(before)],
    next: ['start it by a small script that calls the interpreter, or leave it out'],
  })
}
