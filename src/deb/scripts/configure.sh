# What was live before, for put_back.
before=

take_over() {
  if [ ! -d "$root/releases/$release" ]; then
    echo "$root/releases/$release is not there; install the package again" >&2
    return 1
  fi
  before=$(live_release)
  if [ -n "$before" ] && is_of_ship "$before"; then
    echo "$root/current led to release $before, put there by ship release; now it leads to $release of the package $package" >&2
  elif [ -z "$before" ] && [ -e "$root/current" ]; then
    echo "$root/current led to $(readlink "$root/current"); now it leads to $release of the package $package" >&2
  fi
  trap 'put_back $?' EXIT
  point_at "$release"
}

# A package that cannot be configured is not live: what was live before is again. A copy made by preinst stays until it is not needed.
put_back() {
  if [ "$1" -ne 0 ] && [ -n "$before" ] && [ "$before" != "$release" ]; then
    point_at "$before"
    echo "$package could not be configured; $root/current leads to what was live before" >&2
  fi
  exit "$1"
}

# A package that stays installed after all.
stay() {
  return_from_bridge
  if [ ! -L "$root/current" ] && [ ! -e "$root/current" ] && [ -d "$root/releases/$release" ]; then point_at "$release"; fi
}
