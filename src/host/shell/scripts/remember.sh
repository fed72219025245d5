# Remembers something as done once. Arguments: token, key.
token=$1
key=$2
holding "$token"
complaint=$({ mkdir -p "$ship/once" && write_line "$ship/once/$key" done; } 2>&1) || fail write "$(cause "$complaint")"
must_last "$ship"
finish ok
