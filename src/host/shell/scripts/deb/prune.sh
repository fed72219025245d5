# Removes kept .debs whose versions come on standard input, one a line. Arguments: token. The installed one stays.
token=$1
holding "$token"
ask_live
freed=0
while IFS= read -r version; do
  case $version in '' | */* | .* | -* | *[!0-9A-Za-z.+-]*) continue ;; esac
  if [ "$now" = "releases/$version" ]; then
    say kept "$version it is live"
    continue
  fi
  took=$(wc -c <"$records/$version.deb" 2>/dev/null) || took=0
  # The record first: a .deb without one is nothing.
  if complaint=$(rm -f "$records/$version.json" "$records/$version.deb" "$ship/manifests/$version.manifest.json" 2>&1); then
    freed=$((freed + took))
  else
    say kept "$version $(printf '%s' "$complaint" | tr '\n' ' ' | cut -c 1-300)"
  fi
done
say freed "$freed"
finish ok
