# Behind the lock: begins what stage.sh would, while the answer is on its way, and says for stage.sh what was done. What was copied is checked
# there like all the rest. The folder is there before the answer, so that stage.sh cannot come before it.
part=$ship/incoming/$token
most=most
abandon() { rm -rf "$part"; exit 0; }
{ mkdir "$part" && printf '%s\n' $$ >"$part/copying"; } 2>/dev/null && begun=yes || begun=no
printf '%s end ok\n' "$marker"
[ "$begun" = yes ] || exit 0
copy_base
[ "$whole" = yes ] && printf '%s\n' "$base $how $tree" >"$part/copied"
rm -f "$part/copying"
# Whoever took the lock or gave it back meanwhile could not remove what was still coming.
[ -d "$ship/lock/$token" ] || rm -rf "$part"
