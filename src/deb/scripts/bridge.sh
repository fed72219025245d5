# Removes every copy but the one that is live.
drop_bridges() {
  now=$(live_release)
  for bridge in "$root/releases"/.dpkg-*; do
    [ "$bridge" = "$root/releases/$now" ] || rm -rf "$bridge"
  done
}

# Whether folder $1 holds all that its copy holds. It may hold more: what the app wrote.
is_whole() {
  [ -d "$root/releases/$1" ] || return 1
  ! LC_ALL=C diff -rq --no-dereference "$root/releases/.dpkg-$1" "$root/releases/$1" 2>&1 |
    grep -qvF "Only in $root/releases/$1"
}

# Back from the copy to the release that it was made of, once dpkg has put its files back. When an earlier run was ended in the
# middle, they may be gone; then the copy stays live.
return_from_bridge() {
  now=$(live_release)
  case $now in
    .dpkg-*) if is_whole "${now#.dpkg-}"; then point_at "${now#.dpkg-}"; fi ;;
  esac
  drop_bridges
}
