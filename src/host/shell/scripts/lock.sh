# Takes the lock, clears what dead runs left, and answers a probe. Arguments: token, owner (a line of JSON), token to take over from
# or "-", then the names of shared files to look for.
#
# A fresh lock is built beside and appears whole by one rename, which fails while somebody's folder is in .ship/lock. Taking over
# renames the holder's folder to ours: it works for exactly one taker, and only while that holder holds.
token=$1
owner=$2
from=$3
shift 3

build() {
  mkdir -p "$ship" && chmod 700 "$ship" &&
    mkdir -p "$ship/releases" "$ship/manifests" "$ship/incoming" "$ship/trash" "$root/releases" "$root/shared" &&
    mkdir "$ship/lock.$token" "$ship/lock.$token/$token" &&
    uptime_now >"$ship/lock.$token/$token/beat" &&
    printf '%s\n' "$owner" >"$ship/lock.$token/$token/owner"
}

acquire() {
  if [ "$from" = - ]; then
    build || return 2
    mv -T "$ship/lock.$token" "$ship/lock" || return 1
  else
    mv -T "$ship/lock/$from" "$ship/lock/$token" || return 1
    uptime_now >"$ship/lock/$token/beat"
    printf '%s\n' "$owner" >"$ship/lock/$token/owner.new" && mv -f "$ship/lock/$token/owner.new" "$ship/lock/$token/owner" || return 2
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
  [ "$got" = 1 ] && [ -d "$ship/lock" ] && finish locked 'another run holds the lock'
  fail write "$(cause "$complaint")"
fi

for left in "$ship"/incoming/* "$ship"/trash/* "$ship"/lock.*; do
  [ -e "$left" ] && rm -rf "$left"
done
probe "$@"
finish ok
