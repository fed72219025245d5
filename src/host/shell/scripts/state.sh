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
  for owner in "$ship"/lock/*/owner; do
    line_of "$owner" || continue
    say owner "$line"
    line_of "${owner%owner}beat" && say beat "$line"
  done
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
    for dir in "$place" "$root/releases" "$root/shared" "$ship" "$ship/releases"; do
      if [ -e "$dir" ] && [ ! -w "$dir" ]; then
        say blocked "no right to write \"$dir\" as user $(id -un 2>/dev/null || id -u)"
        break
      fi
    done
  fi
  if [ -d "$root/releases" ] && [ -d "$ship" ]; then
    one=$(stat -c %d "$root/releases" 2>/dev/null)
    two=$(stat -c %d "$ship" 2>/dev/null)
    [ "$one" = "$two" ] || say apart yes
  fi
  say disk "$(free_of k "$place")"
  say inodes "$(free_of i "$place")"
}

probe_tools() {
  for tool in zstd gzip sha256sum tar; do
    command -v "$tool" >/dev/null 2>&1 && say tool "$tool"
  done
  # -T is GNU's and BusyBox's; without it a rename would land inside the folder it should replace.
  case $(mv --help 2>&1) in *-T*) say tool mv-T ;; esac
}

probe() {
  probe_current
  probe_releases
  probe_lock
  for file do
    [ -e "$root/shared/$file" ] || say missing "$file"
  done
  probe_place
  probe_tools
  say now "$(uptime_now)"
  say clock "$(date +%s)"
  say uname "$(uname -s -m)"
}
