# Writes stdin to a file, whole or not at all. Arguments: path, size in bytes, mode (octal, or "-": that of the file there, else 644).
path=$1
size=$2
mode=$3
# The target of a link is replaced, not the link.
if [ -L "$path" ]; then
  path=$(readlink -f "$path") && [ -n "$path" ] || finish refused 'is a link that leads nowhere'
fi
[ ! -d "$path" ] || finish refused 'is a folder'
[ ! -e "$path" ] || [ -f "$path" ] || finish refused 'is no file'
case $path in */*) dir=${path%/*}/ ;; *) dir=./ ;; esac
[ -d "$dir" ] || finish refused 'lies in a folder that does not exist'
if [ "$mode" = - ]; then
  mode=644
  [ ! -e "$path" ] || mode=$(stat -c %a "$path" 2>/dev/null || stat -f %Lp "$path") || mode=644
fi
# Nobody else may read it before it has its mode.
umask 077
new=$(mktemp "${dir}.ship.XXXXXX" 2>/dev/null) || finish refused 'cannot be written: its folder is closed to this user, or full'
trap 'rm -f "$new"' EXIT
trap 'exit 1' HUP INT TERM PIPE
complaint=$(cat 2>&1 >"$new") || fail write "could not be written: $complaint"
got=$(wc -c <"$new")
[ "$((got))" -eq "$size" ] || finish short 'did not arrive whole'
chmod "$mode" "$new" || finish write 'could not get its mode'
must_last "$new"
complaint=$(mv -f "$new" "$path" 2>&1) || fail write "could not be renamed: $complaint"
must_last "$dir"
finish ok
