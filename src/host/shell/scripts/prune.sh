# Removes releases named on standard input, one a line. Arguments: token. The live one and those in use by a process stay.
token=$1
holding "$token"
live=$(readlink "$root/current" 2>/dev/null)
home=$(cd "$root" && pwd -P) || fail write 'deployTo is gone'
before=$(free_of k "$root")
in_use=$(ls -ld /proc/[0-9]*/cwd /proc/[0-9]*/exe 2>/dev/null)
while IFS= read -r version; do
  case $version in '' | */* | .*) continue ;; esac
  dir=$root/releases/$version
  if [ "$live" = "releases/$version" ]; then
    say kept "$version it is live"
    continue
  fi
  case $in_use in *" -> $home/releases/$version"*)
    # The next name may merely begin alike: only the folder itself or what is below it counts.
    if printf '%s\n' "$in_use" | grep -F -q -e " -> $home/releases/$version/" ||
      printf '%s\n' "$in_use" | grep -F -q -x -e "${in_use%%->*}-> $home/releases/$version" ||
      printf '%s\n' "$in_use" | sed 's/^.* -> //' | grep -F -q -x -e "$home/releases/$version"; then
      say kept "$version a process runs in it"
      continue
    fi ;;
  esac
  [ -d "$ship/lock/$token" ] || finish locked 'the lock was taken over'
  if [ -e "$dir" ] && ! complaint=$(mv -T "$dir" "$ship/trash/$version" 2>&1); then
    say kept "$version $(printf '%s' "$complaint" | tr '\n' ' ' | cut -c 1-300)"
    continue
  fi
  rm -f "$ship/releases/$version.json" "$ship/manifests/$version".*
  complaint=$(rm -rf "$ship/trash/$version" 2>&1) || say kept "$version $(printf '%s' "$complaint" | tr '\n' ' ' | cut -c 1-300)"
done
after=$(free_of k "$root")
say freed "$(((${after:-0} - ${before:-0}) * 1024))"
finish ok
