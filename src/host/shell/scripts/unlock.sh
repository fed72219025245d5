# Gives the lock back, if it is still ours, and keeps a little disk aside for the day it is full. Arguments: token.
token=$1
if [ ! -d "$ship/reserve" ] && mkdir "$ship/reserve" 2>/dev/null; then
  # Real blocks and a few inodes; a hole would reserve nothing.
  for n in 1 2 3 4 5 6 7 8; do head -c 16384 /dev/urandom >"$ship/reserve/$n" 2>/dev/null || break; done
fi
mv -T "$ship/lock/$token" "$ship/trash/$token" 2>/dev/null && rm -rf "$ship/trash/$token"
rmdir "$ship/lock" 2>/dev/null
finish ok
