# Runs a program and remembers that it ended well, here and at once, so that a client that dies meanwhile changes nothing about it.
# Arguments: token, key, folder, number of settings, then the program and its arguments; the settings come on standard input.
# The shell stays the leader of the group, so that its number is known and all of it can be ended.
token=$1
key=$2
dir=$3
settings=$4
shift 4
holding "$token"
mark=$ship/once/$key
mkdir -p "$ship/once" || finish write 'the host could not write'

# Number and start time of a process: a number alone is given to another one some day.
born() { sed 's/^.*) //' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 20; }
lives() { [ -n "$1" ] && kill -0 "$1" 2>/dev/null && [ "$(born "$1")" = "$2" ]; }

say pid $$
# It may still be at work for a run that died.
while line_of "$mark"; do
  [ "$line" != done ] || exit 0
  began=$line
  process=${line#began }
  if ! lives "${process%% *}" "${process#* }"; then
    # Between the two looks it may have ended well.
    line_of "$mark" && [ "$line" != "$began" ] || break
  else sleep 0.2 2>/dev/null || sleep 1
  fi
done
# From here on the answer is the program's own: a refusal is an exit code and a line on stderr.
[ -d "$ship/lock/$token" ] || { echo 'the lock was taken over' >&2; exit 75; }
cd "$dir" || exit 72
write_line "$mark" "began $$ $(born $$)" || exit 74
# In a shell of its own by exec, for a name of this script's own functions is no program.
(take_settings "$settings"; exec "$@")
code=$?
if [ "$code" = 0 ]; then write_line "$mark" done || code=74
else rm -f "$mark"; fi
durable "$ship" || [ "$code" != 0 ] || code=74
exit "$code"
