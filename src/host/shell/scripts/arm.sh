# Starts a guard that goes back by itself when it hears nothing for a while: a process of its own, which outlives this connection and its
# client. Arguments: token, text of the guard, where current is put back to or "-", then what the guard is told. Its hooks come on
# standard input and into a file in the lock holder's folder, so that no list of processes shows their settings.
token=$1
text=$2
back=$3
shift 3
holding "$token"
mine=$ship/lock/$token
# The link is made now: on the day that it is needed the disk may be full.
prepare() {
  rm -rf "$mine/back" "$mine/guard" && cat >"$mine/hooks" || return 1
  [ "$back" = - ] || ln -s "$back" "$mine/back" || return 1
  write_line "$mine/hold" "$(uptime_now)"
}
complaint=$(prepare 2>&1) || fail write "$(cause "$complaint")"
# Without a session of its own it would end with the connection that it is to outlive.
if command -v setsid >/dev/null 2>&1; then detach=setsid
elif command -v nohup >/dev/null 2>&1; then detach=nohup
else fail write 'the host has neither "setsid" nor "nohup", so nothing there outlives a connection'; fi
cd /
$detach sh -c "$text" ship "$marker" "$root" "$token" "$detach" "$back" "$@" <"$mine/hooks" >/dev/null 2>&1 &
tries=0
while [ "$tries" -lt 100 ]; do
  [ ! -e "$mine/guard" ] || finish ok
  tries=$((tries + 1))
  sleep 0.05 2>/dev/null || sleep 1
done
fail write 'the guard did not start'
