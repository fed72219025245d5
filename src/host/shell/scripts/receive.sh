# How a payload comes in, for what stages it. It stands before stage.sh, and reads its $part, $near, $bytes and $token.
# The first line of the input tells the id of the payload under which it is kept while it comes or "-", how much of it is kept already, and
# its size: it comes when all is packed, and until then the host does what it can do by itself. Behind that stands on how many
# lanes the rest comes, with the blocks of a piece and the folder of the pieces: the input is the first lane, the others come by lane.sh.
id=-
offset=0
size=0
lanes=1
kept=$ship/incoming/part-$id

abandon() {
  why=$2
  case $1 in write) why=$(cause "$2") ;; esac
  rm -rf "$part" "$ship"/incoming/lanes-*
  # Kept only after a cut. When all of it came, or more of it waits to be read, what is there is not good.
  if [ "$(wc -c <"$kept" 2>/dev/null || echo 0)" -ge "$size" ] || { [ "$lanes" = 1 ] && [ "$(head -c 1 | wc -c)" -gt 0 ]; }; then rm -rf "$kept" "$near"; fi
  fail "$1" "$why"
}

begin_receiving() {
  rm -rf "$part"
  complaint=$(mkdir -p "$part" 2>&1) || abandon write "$complaint"
}

# What comes is kept in a file until the release is whole, so that after a cut only the rest has to come. A script whose connection
# was cut may still write to its own file, so this run begins with a copy.
# Nothing is kept where the disk has room for the tree alone: going on after a cut is not worth a release that does not fit.
expect() {
  IFS=' ' read -r id offset size lanes blocks folder || abandon broken 'the input ended before anything came'
  if [ "$offset" = 0 ] && [ "$free" -lt "$(((bytes + size) / 1024 + 4096))" ] 2>/dev/null; then id=-; fi
  kept=$ship/incoming/part-$id
  pieces=$ship/incoming/$folder
}

# The rest of the payload in its order: pieces of the input and of the other lanes by turns. One that does not come whole is the end.
gather() {
  if [ "$lanes" = 1 ]; then
    cat
    return
  fi
  left=$((size - offset))
  number=0
  while [ "$left" -gt 0 ]; do
    want=$((blocks * 65536))
    [ "$left" -ge "$want" ] || want=$left
    if [ "$((number % lanes))" = 0 ]; then dd bs=65536 count="$blocks" iflag=fullblock of="$pieces/$number" 2>/dev/null
    else arrives "$pieces/$number" "$pieces/$((number % lanes)).end"; fi || return 0
    [ "$(wc -c <"$pieces/$number")" -eq "$want" ] || return 0
    cat "$pieces/$number"
    rm -f "$pieces/$number"
    left=$((left - want))
    number=$((number + 1))
  done
}

# Waits for file $1, until file $2 says that there will be none, or the lock is gone. At first it looks often.
arrives() {
  looks=0
  until [ -e "$1" ]; do
    if [ -e "$2" ] || [ ! -d "$ship/lock/$token" ]; then
      [ -e "$1" ]
      return
    fi
    looks=$((looks + 1))
    if [ "$looks" -lt 500 ]; then sleep 0.01 2>/dev/null || sleep 1
    else sleep 1; fi
  done
}

receive() {
  if [ "$id" = - ]; then
    gather
    return
  fi
  head -c "$offset" "$kept" >"$kept.$token" 2>/dev/null || : >"$kept.$token"
  mv -f "$kept.$token" "$kept" && cat "$kept" && gather | tee -a "$kept"
}
