# Gives the lock back, if it is still ours, and keeps a little disk aside for the day it is full. Arguments: token,
# unless what stands before it has read it.
token=${1-$token}
if [ ! -d "$ship/reserve" ] && mkdir "$ship/reserve" 2>/dev/null; then
  # Real blocks and a few inodes; a hole would reserve nothing.
  for n in 1 2 3 4 5 6 7 8; do : >"$ship/reserve/$n" || break; done 2>/dev/null
  head -c 131072 /dev/urandom >"$ship/reserve/1" 2>/dev/null
fi
[ ! -d "$ship/incoming/$token" ] || rm -rf "$ship/incoming/$token"
mv -T "$ship/lock/$token" "$ship/trash/$token" 2>/dev/null && rm -rf "$ship/trash/$token"
rmdir "$ship/lock" 2>/dev/null
finish ok
