# Waits for silence. When nobody was in charge for so many seconds it takes the lock over, puts current back, runs the hooks of the way
# back, writes down what it did, and gives the lock back. Whoever takes the lock from the run in the meantime (the run itself over a new
# connection, the way back of the run, the next run) ends this: taking over is one rename, and only one of all succeeds.
# Arguments: token, what detaches a program, where current is put back to or "-", token of its own, seconds, what current must be now, its
# owner line, version whose record is written or "-", that record, a line of history, the same for hooks that failed. Hooks on stdin:
# "seconds settings words", then for each setting its name, its number of lines and its lines, and for each word the last two.
token=$1
detach=$2
back=$3
own=$4
seconds=$5
target=$6
owner=$7
version=$8
record=$9
shift 9
well=$1
badly=$2
lock=$ship/lock
mine=$lock/$own
trap '' HUP
# What is started in the background reads nothing of this.
exec 3<&0 </dev/null
printf '%s\n' $$ >"$lock/$token/guard" || exit 0

nap() { sleep 0.5 2>/dev/null || sleep 1; }
clock() {
  now=$(uptime_now)
  now=${now%% *}
}

while [ -d "$lock/$token" ]; do
  if line_of "$lock/$token/hold"; then
    clock
    [ "$((now - ${line%% *}))" -le "$seconds" ] || break
  fi
  nap
done
mv -T "$lock/$token" "$mine" 2>/dev/null || exit 0

# In place: whoever reads it meanwhile finds a time in it.
beat() { uptime_now 1<>"$mine/beat"; } 2>/dev/null
leave() {
  mv -T "$mine" "$ship/trash/$own" && rm -rf "$ship/trash/$own"
  rmdir "$lock"
  exit 0
} 2>/dev/null

# Reads as many lines as it is told into $value.
value_of() {
  IFS= read -r value <&3 || return 1
  more=$1
  while [ "$more" -gt 1 ]; do
    IFS= read -r line <&3 || return 1
    value="$value
$line"
    more=$((more - 1))
  done
}

# Becomes the next hook.
become_hook() {
  while [ "$settings" -gt 0 ]; do
    IFS= read -r name <&3 && IFS= read -r lines <&3 && value_of "$lines" || exit 74
    # Names were checked by the caller; the value is quoted here, so nothing of it is evaluated.
    export "$name=$value"
    settings=$((settings - 1))
  done
  set --
  while [ "$words" -gt 0 ]; do
    IFS= read -r lines <&3 && value_of "$lines" || exit 74
    set -- "$@" "$value"
    words=$((words - 1))
  done
  cd "$root/current" || exit 72
  # A group of its own, so that all of it can be ended.
  exec $detach sh -c 'echo $$ >"$1"; shift; exec "$@"' sh "$mine/pid" "$@" 3<&-
}

run_hook() {
  rm -f "$mine/code" "$mine/pid"
  {
    (become_hook)
    write_line "$mine/code" $?
  } >/dev/null 2>&1 &
  clock
  until=$((now + limit))
  until line_of "$mine/code"; do
    [ -d "$mine" ] || exit 0
    beat
    clock
    if [ "$now" -ge "$until" ] && line_of "$mine/pid"; then
      # No "--" before the group: dash and BusyBox take it for a number.
      kill -KILL "-$line" 2>/dev/null || kill -KILL "$line" 2>/dev/null
    fi
    nap
  done
  [ "$line" = 0 ]
}

go_back() {
  [ "$(readlink "$root/current")" = "$target" ] || return 1
  case $back in
    -) mv -T "$root/current" "$mine/was" ;;
    releases/*) [ -d "$root/$back" ] && mv -fT "$mine/back" "$root/current" ;;
    *) mv -fT "$mine/back" "$root/current" ;;
  esac
}

beat
write_line "$mine/owner" "$owner" 2>/dev/null
go_back 2>/dev/null || leave
durable "$root"
told=$well
while IFS=' ' read -r limit settings words <&3; do
  run_hook || { told=$badly; break; }
done
# A full disk keeps nobody from going back; what was kept aside for this moment is enough for a line.
write_down() {
  [ "$version" = - ] || write_record "$ship/releases/$version.json" "$record" || return 1
  write_history "$told"
}
write_down 2>/dev/null || { rm -rf "$ship/reserve"; write_down 2>/dev/null; }
durable "$ship"
leave
