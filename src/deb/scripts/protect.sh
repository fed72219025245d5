# dpkg removes the files of the old version before the new one is configured, and writes into a folder of the same name in place.
# So current is led to a copy of the live release first, made of hard links, beside it and thus with the same way to shared/.
protect() {
  [ -d "$root" ] || return 0
  if [ -e "$root/current" ] && [ ! -L "$root/current" ]; then
    echo "$root/current is not a link; move it away and try again" >&2
    return 1
  fi
  if is_of_ship "$release" && [ -e "$root/releases/$release" ]; then
    echo "$root/releases/$release was put there by ship release; a package cannot take it over" >&2
    return 1
  fi
  # A preinst goes on when its dpkg is killed. One at a time, until this one ends.
  exec 9<"$root" && flock 9
  now=$(live_release)
  # A copy that is live is of an earlier run that was ended in the middle; it is whole, and the folder may not be.
  case $now in '' | .dpkg-*) return 0 ;; esac
  if is_of_ship "$now"; then return 0; fi
  bridge=$root/releases/.dpkg-$now
  rm -rf "$bridge" "$bridge.new"
  cp -al "$root/releases/$now" "$bridge.new" 2>/dev/null || {
    rm -rf "$bridge.new"
    cp -a "$root/releases/$now" "$bridge.new"
  }
  # Before dpkg removes a file with setuid it takes all rights from it, and a hard link shares them.
  find "$bridge.new" -type f -perm /7000 \
    -exec sh -c 'for f do cp -a "$f" "$f.new" && mv -f "$f.new" "$f" || exit 1; done' sh {} +
  sync -f "$bridge.new"
  mv -T "$bridge.new" "$bridge"
  point_at ".dpkg-$now"
}
