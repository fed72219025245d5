# Writes records and a line of history. Arguments: token, history line or "-", then pairs of version and record.
# A full disk is told, not fatal: the caller decides.
token=$1
history=$2
shift 2
holding "$token"
problem=
while [ $# -gt 1 ]; do
  complaint=$(write_record "$records/$1.json" "$2" 2>&1) || problem=$(cause "$complaint")
  shift 2
done
if [ "$history" != - ]; then
  complaint=$(write_history "$history" 2>&1) || problem=$(cause "$complaint")
fi
durable "$ship" || problem=${problem:-$unsynced}
[ -z "$problem" ] || say problem "$problem"
