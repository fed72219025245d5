# Sends a file: its size and mode, then its content. Argument: path.
path=$1
[ -e "$path" ] || finish refused 'does not exist'
[ ! -d "$path" ] || finish refused 'is a folder'
[ -r "$path" ] || finish refused 'is closed to this user'
size=$(stat -L -c %s "$path" 2>/dev/null || stat -L -f %z "$path" 2>/dev/null) || size=-
mode=$(stat -L -c %a "$path" 2>/dev/null || stat -L -f %Lp "$path" 2>/dev/null) || mode=644
say file "$size" "$mode"
exec cat "$path"
