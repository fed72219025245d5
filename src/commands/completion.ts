/** `ship completion`: a few lines for a shell, which ask ship itself what may stand at the cursor. */
import { ShipError } from '../errors.ts'
import type { RunCommand } from './command.ts'
import { COMPLETE_NAME } from './completion-commands.ts'

/** Answers of `ship __complete` are lines "word<TAB>what it is"; none: names of files, as the shell knows them. */
const SCRIPTS = {
  bash: `# bash completion of ship
_ship() {
  local value rest
  COMPREPLY=()
  while IFS=$'\\t' read -r value rest; do
    COMPREPLY+=("$value")
  done < <("\${COMP_WORDS[0]}" ${COMPLETE_NAME} -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  [[ \${#COMPREPLY[@]} -eq 1 && \${COMPREPLY[0]} == *= ]] && compopt -o nospace
  return 0
}
complete -o bashdefault -o default -F _ship ship slipway`,
  zsh: `#compdef ship slipway
# zsh completion of ship
_ship() {
  local -a found
  local line value
  while IFS= read -r line; do
    value=\${line%%$'\\t'*}
    found+=("\${value//:/\\\\:}:\${line#*$'\\t'}")
  done < <("\${words[1]}" ${COMPLETE_NAME} -- "\${(@)words[2,CURRENT]}" 2>/dev/null)
  if (( \${#found} )); then
    _describe -V ship found
  else
    _files
  fi
}
if [ "\${funcstack[1]}" = _ship ]; then
  _ship "$@"
elif (( \${+functions[compdef]} )); then
  compdef _ship ship slipway
fi`,
  fish: `# fish completion of ship
function __ship_complete
    set -l words (commandline -opc)
    set -l word (commandline -ct)
    set -l found ($words[1] ${COMPLETE_NAME} -- $words[2..] "$word" 2>/dev/null)
    if test (count $found) -gt 0
        printf '%s\\n' $found
    else
        __fish_complete_path "$word"
    end
end
complete -c ship -f -a '(__ship_complete)'
complete -c slipway -f -a '(__ship_complete)'`,
} as const

export const run: RunCommand = (input) => {
  const [shell = ''] = input.args
  const script = Object.entries(SCRIPTS).find(([name]) => name === shell)?.[1]
  if (script === undefined) {
    const shells = Object.keys(SCRIPTS).join(', ')
    throw new ShipError('usage', `there is no completion for "${shell}"`, { next: [`use one of ${shells}`] })
  }
  return Promise.resolve({ data: { shell, script }, text: () => script.split('\n') })
}
