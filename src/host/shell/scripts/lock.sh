# Takes the lock, clears what dead runs left, and answers a probe. Arguments: token, owner (a line of JSON), token to take over from
# or "-", who held it last when the state was read ("none": nobody, "any": that is not known), then the names of shared files to look for.
#
# A fresh lock is built beside and appears whole by one rename, which fails while somebody's folder is in .ship/lock. Taking over
# renames the holder's folder to ours: it works for exactly one taker, and only while that holder holds. When our name cannot be written
# into it then, it gets its old one back: a full disk leaves no lock that says the wrong owner.
#
# A question that was held up on its way may come when its run has long given up. When somebody else held the lock since, it is too late.
token=$1
owner=$2
from=$3
after=$4
shift 4

build() {
  [ -d "$ship" ] || mkdir -p -m 700 "$ship" || return 1
  set -- "$ship/lock.$token/$token"
  for dir in "$records" "$ship/manifests" "$ship/incoming" "$ship/trash" "$root/releases" "$root/shared"; do
    [ -d "$dir" ] || set -- "$@" "$dir"
  done
  mkdir -p "$@" &&
    uptime_now >"$ship/lock.$token/$token/beat" &&
    printf '%s\n' "$owner" >"$ship/lock.$token/$token/owner"
}

acquire() {
  if [ "$from" = - ]; then
    build || return 2
    mv -T "$ship/lock.$token" "$ship/lock" || return 1
  else
    mv -T "$ship/lock/$from" "$ship/lock/$token" || return 1
    # In place: a file that is emptied first stays so on a full disk.
    uptime_now 1<>"$ship/lock/$token/beat"
    write_line "$ship/lock/$token/owner" "$owner" && return 0
    rm -f "$ship/lock/$token/owner.new"
    mv -T "$ship/lock/$token" "$ship/lock/$from"
    return 2
  fi
}

complaint=$(acquire 2>&1)
got=$?
if [ "$got" = 2 ] && [ -d "$ship/reserve" ]; then
  # The disk is full: what was kept aside for this moment is enough to lock, switch and unlock.
  rm -rf "$ship/reserve" "$ship/lock.$token"
  complaint=$(acquire 2>&1)
  got=$?
fi
if [ "$got" != 0 ]; then
  rm -rf "$ship/lock.$token"
  [ "$from" = - ] || [ -d "$ship/lock/$from" ] || finish locked 'the lock was taken over'
  [ "$got" = 1 ] && [ -d "$ship/lock" ] && finish locked 'another run holds the lock'
  fail write "$(cause "$complaint")"
fi

if [ "$from" = - ] && [ "$after" != any ]; then
  line_of "$ship/last" || line=none
  if [ "$line" != "$after" ]; then
    mv -T "$ship/lock/$token" "$ship/lock.$token" && rmdir "$ship/lock"
    rm -rf "$ship/lock.$token"
    finish locked 'another run held the lock meanwhile'
  fi
fi
# In place, as the sign of life.
{ printf '%s\n' "$token" 1<>"$ship/last"; } 2>/dev/null

# What came of a payload before a cut stays for a day: the next run sends only the rest.
for kept in "$ship"/incoming/part-*; do
  [ ! -e "$kept" ] || find "$ship/incoming" -name 'part-*' -mmin +1440 -prune -exec rm -rf {} + 2>/dev/null
  break
done
for left in "$ship"/incoming/[!p]* "$ship"/trash/* "$ship"/lock.* "$records"/*.new; do
  [ -e "$left" ] && rm -rf "$left"
done
settle 1800 "$token"
probe "$@"
