# Holds a release against its lists. Arguments: version, then its shared paths, which are not part of it.
version=$1
shift
lists=$ship/manifests/$version
cd "$root/releases/$version" 2>/dev/null || fail gone 'the release is not there'
[ -f "$lists.sums" ] && [ -f "$lists.links" ] || fail gone 'its manifest is not there'
is_shared() {
  for one do
    case $path in "$one" | "$one"/*) return 0 ;; esac
  done
  return 1
}
sha256sum -c "$lists.sums" 2>/dev/null | grep -v ': OK$' | while IFS= read -r result; do
  path=${result%: *}
  is_shared "$@" && continue
  if [ -e "$path" ]; then say drift "changed $path"; else say drift "missing $path"; fi
done
while IFS= read -r path && IFS= read -r target; do
  is_shared "$@" && continue
  if [ ! -L "./$path" ]; then say drift "missing $path"
  elif [ "$(readlink "./$path")" != "$target" ]; then say drift "changed $path"; fi
done <"$lists.links"
finish ok
