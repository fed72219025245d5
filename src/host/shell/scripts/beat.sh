# A sign of life. Arguments: token. The write goes into the holder's own folder, so a lost lock cannot be revived.
token=$1
holding "$token"
# In place: a file that is emptied first stays so on a full disk.
uptime_now 1<>"$ship/lock/$token/beat" 2>/dev/null || holding "$token"
finish ok
