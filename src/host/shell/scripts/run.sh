# Runs a program. Arguments: folder, number of settings, the settings as NAME=value, then the program and its arguments.
# It becomes this very process, the leader of its group, so that its number is known and all of it can be ended.
dir=$1
settings=$2
shift 2
cd "$dir" || finish gone "\"$dir\" is not there"
while [ "$settings" -gt 0 ]; do
  # Names were checked by the caller; the value is quoted here, so nothing of it is evaluated.
  # shellcheck disable=SC2163
  export "$1"
  shift
  settings=$((settings - 1))
done
unset dir settings ship root
say pid $$
exec "$@"
