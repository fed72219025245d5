# Tells the guard that somebody is in charge. Arguments: token.
token=$1
holding "$token"
write_line "$ship/lock/$token/hold" "$(uptime_now)" 2>/dev/null || holding "$token"
finish ok
