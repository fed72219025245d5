# Runs a program of the user's in the shell as its login left it, and becomes it: the leader of its group, so that its number is known
# and all of it can be ended. Arguments: marker, folder (empty: where we are), whether it "must" be there or "may", number of settings,
# then the program and its arguments. Settings come on stdin, so that no list of processes shows them: name, number of lines, lines.
ship_marker=$1
ship_dir=$2
ship_must=$3
ship_left=$4
shift 4
ship_end() {
  printf '%s end %s %s\n' "$ship_marker" "$1" "$2"
  exit 0
}
if [ -n "$ship_dir" ]; then
  if CDPATH='' cd "$ship_dir" >/dev/null 2>&1; then :
  elif [ "$ship_must" = may ] && ! [ -e "$ship_dir" ]; then :
  elif [ -d "$ship_dir" ]; then ship_end folder 'is closed to this user'
  elif [ -e "$ship_dir" ]; then ship_end folder 'is no folder'
  else ship_end folder 'does not exist'
  fi
fi
while [ "$ship_left" -gt 0 ]; do
  IFS= read -r ship_name && IFS= read -r ship_lines && IFS= read -r ship_value || ship_end input 'broke off'
  while [ "$ship_lines" -gt 1 ]; do
    IFS= read -r ship_line || ship_end input 'broke off'
    ship_value="$ship_value
$ship_line"
    ship_lines=$((ship_lines - 1))
  done
  # Names were checked by the caller; the value is quoted here, so nothing of it is evaluated.
  export "$ship_name=$ship_value"
  ship_left=$((ship_left - 1))
done
command -v "$1" >/dev/null 2>&1 || ship_end command '-'
printf '%s\n' "$ship_marker" >&2
printf '%s pid %s\n' "$ship_marker" $$
unset ship_marker ship_dir ship_must ship_left ship_name ship_lines ship_value ship_line
unset -f ship_end
exec "$@"
