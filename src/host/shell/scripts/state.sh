# The whole state of a host in one go. No process is started per release, so thousands of them are read in well under a second.

probe_current() {
  if [ -L "$root/current" ]; then
    say current link "$(readlink "$root/current")"
    [ -d "$root/current/" ] || say dangling yes
  elif [ -d "$root/current" ]; then say current directory
  elif [ -e "$root/current" ]; then say current file
  else say current absent; fi
}

probe_releases() {
  for dir in "$root"/releases/*; do
    [ -e "$dir" ] || [ -L "$dir" ] || continue
    name=${dir##*/}
    if [ -d "$dir" ] && [ ! -L "$dir" ] && line_of "$ship/releases/$name.json"; then say record "$name $line"
    else say foreign "$name"; fi
  done
}

probe_lock() {
  line_of "$ship/last" && say last "$line"
  for holder in "$ship"/lock/*; do
    [ -e "$holder" ] || continue
    say holder "${holder##*/}"
    line_of "$holder/owner" && say owner "$line"
    line_of "$holder/beat" && say beat "$line"
  done
}

# Tells under key $1 the first of the folders behind it that cannot be written.
probe_rights() {
  key=$1
  shift
  for dir do
    [ -e "$dir" ] && [ ! -w "$dir" ] || continue
    # It cannot work; only the system knows why.
    case $(mkdir "$dir/.ship-probe" 2>&1 && rmdir "$dir/.ship-probe") in
    *ead-only*) say "$key" "\"$dir\" is on a file system that is mounted read-only" ;;
    *) say "$key" "no right to write \"$dir\" as user $(id -un 2>/dev/null || id -u)" ;;
    esac
    return
  done
}

# Sets $blocks and $inodes to the free kilobytes and inodes where $1 lies, empty where there are none to tell. One process tells both where
# stat knows file systems, as GNU's and BusyBox's does; otherwise it takes two for each.
room_of() {
  counts=$(stat -f -c '%b %a %S %c %d' "$1" 2>/dev/null)
  case $counts in
    *[!0-9\ ]* | '')
      blocks=$(free_of k "$1")
      inodes=$(free_of i "$1")
      return ;;
  esac
  # Five numbers; the product of two could be more than a shell can count.
  # shellcheck disable=SC2086
  set -- $counts
  blocks=
  inodes=
  [ "$1" = 0 ] || blocks=$(($2 / 1024 * $3 + $2 % 1024 * $3 / 1024))
  [ "$4" = 0 ] || inodes=$5
}

# The nearest folder that exists: deployTo itself, or what it would be made in.
probe_place() {
  place=$root
  while [ ! -d "$place" ]; do
    place=${place%/*}
    [ -n "$place" ] || place=/
  done
  if [ -e "$root" ] && [ ! -d "$root" ]; then say blocked "\"$root\" is not a folder"
  else
    probe_rights blocked "$place" "$ship" "$records"
    probe_rights closed "$written" "$root/shared"
  fi
  if [ -d "$written" ] && [ -d "$ship" ]; then
    # Two lines by one process. Where nothing can tell, they count as one.
    devices=$(stat -c %d "$written" "$ship" 2>/dev/null)
    [ "${devices%%[!0-9]*}" = "${devices##*[!0-9]}" ] || say apart yes
  fi
  room_of "$place"
  say disk "$blocks"
  say inodes "$inodes"
}

probe_tools() {
  for tool in zstd gzip sha256sum tar rsync; do
    command -v "$tool" >/dev/null 2>&1 && say tool "$tool"
  done
  # All that the scripts cannot do without: one that is missing in the middle of a pipe would look like one that found nothing.
  lacking=
  for tool in awk cat chmod cp cut df find grep head ln mkdir mv readlink rm rmdir sed sort sync tail tee tr wc xargs; do
    command -v "$tool" || lacking="$lacking $tool"
  done >/dev/null 2>&1
  for tool in $lacking; do say lacks "$tool"; done
  # -T is GNU's and BusyBox's; without it a rename would land inside the folder it should replace. Who held the lock here got it by that.
  if [ -f "$ship/last" ] && command -v mv >/dev/null 2>&1; then say tool mv-T
  else case $(mv --help 2>&1) in *-T*) say tool mv-T ;; esac; fi
}

probe_partial() {
  for kept in "$ship"/incoming/part-*; do
    [ -f "$kept" ] && say partial "${kept##*/part-} $(wc -c <"$kept")"
  done
}

# What was done once and is not to be done again: a file each, whose line is "done" then.
probe_done() {
  for mark in "$ship"/once/*; do
    line_of "$mark" && [ "$line" = done ] && say done "${mark##*/}"
  done
}

# Packages of the same app where archives are unpacked: kept by ship, or installed by hand. One can live in a folder.
probe_other_form() {
  name=${root##*/}
  if [ "$root" = "/opt/$name" ] && grep -qxF "$root/releases" "/var/lib/dpkg/info/$name.list" 2>/dev/null; then say other "$name"; fi
}

# Only an installation takes long enough to be waited for.
settle() { :; }

probe() {
  probe_current
  probe_releases
  probe_other_form
  probe_lock
  for file do
    [ -e "$root/shared/$file" ] || say missing "$file"
  done
  probe_place
  probe_partial
  probe_done
  probe_tools
  printf '%s now ' "$marker"
  uptime_now
}
