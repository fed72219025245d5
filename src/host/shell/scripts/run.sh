# Runs a program. Arguments: folder, number of settings, then the program and its arguments; the settings come on standard input.
# It becomes this very process, the leader of its group, so that its number is known and all of it can be ended.
dir=$1
ship_count=$2
shift 2
cd "$dir" || finish gone "\"$dir\" is not there"
say pid $$
unset dir ship root
take_settings "$ship_count"
unset ship_count
exec "$@"
