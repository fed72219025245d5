# Removes releases named on standard input, one a line. Arguments: token. The live one and those in use by a process stay.
# They go in batches, for a process each would take minutes where there are thousands. Versions hold no blanks, so lists split well.
# shellcheck disable=SC2086
token=$1
holding "$token"
live=$(readlink "$root/current" 2>/dev/null)
home=$(cd "$root" && pwd -P) || fail write 'deployTo is gone'
freed=0
# One path a line, each with a slash behind it: the folder itself and what is below it look alike.
in_use=$(ls -ld /proc/[0-9]*/cwd /proc/[0-9]*/exe 2>/dev/null | sed -n 's|^.* -> \(.*\)$|\1/|p')
batch=
size=0

# Kilobytes below folders that are still there. What others write meanwhile does not count, as it would in free space.
kilobytes_of() { [ $# -eq 0 ] || du -sk "$@" 2>/dev/null | awk '{ sum += $1 } END { print sum + 0 }'; }

flush() {
  [ -n "$batch" ] || return 0
  holding "$token"
  # Between the move and the lists nothing ends it, nor what it starts: nobody looks for the lists of a release that is gone.
  trap '' HUP INT TERM
  complaint=$(cd "$root/releases" && mv $batch "$ship/trash/" 2>&1)
  gone=
  lists=
  for version in $batch; do
    if [ -e "$root/releases/$version" ]; then
      say kept "$version $(printf '%s' "$complaint" | tr '\n' ' ' | cut -c 1-300)"
    else
      gone="$gone $version"
      lists="$lists releases/$version.json manifests/$version.manifest.json manifests/$version.sums manifests/$version.links manifests/$version.inodes"
    fi
  done
  (cd "$ship" && rm -f $lists)
  trap - HUP INT TERM
  before=$(cd "$ship/trash" && kilobytes_of $gone)
  after=
  complaint=$(cd "$ship/trash" && rm -rf $gone 2>&1) || {
    after=$(cd "$ship/trash" && kilobytes_of $gone)
    for version in $gone; do
      [ -e "$ship/trash/$version" ] && say kept "$version $(printf '%s' "$complaint" | tr '\n' ' ' | cut -c 1-300)"
    done
  }
  freed=$((freed + ${before:-0} - ${after:-0}))
  batch=
  size=0
}

while IFS= read -r version; do
  case $version in '' | */* | .* | -* | *[!0-9A-Za-z.+-]*) continue ;; esac
  if [ "$live" = "releases/$version" ]; then
    say kept "$version it is live"
    continue
  fi
  case $in_use in *"$home/releases/$version/"*)
    say kept "$version a process runs in it"
    continue ;;
  esac
  batch="$batch $version"
  size=$((size + 1))
  [ "$size" -lt 100 ] || flush
done
flush
say freed "$((freed * 1024))"
finish ok
