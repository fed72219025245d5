# Holds a release against its lists: content, links, x bits, and what nobody sent. Arguments: version, "full" or "sample", then its shared
# paths, which are not part of it. A sample reads no content where every inode is as it was when all of it was checked.
version=$1
depth=$2
shift 2
lists=$ship/manifests/$version
cd "$root/releases/$version" 2>/dev/null || fail gone 'the release is not there'
for list in sums links manifest.json; do
  [ -f "$lists.$list" ] || fail gone 'its manifest is not there'
done
if [ "$depth" = sample ] && [ -s "$lists.inodes" ] && inodes_of . | cmp -s - "$lists.inodes"; then finish ok 'as it was checked'; fi
is_shared() {
  for one do
    case $path in "$one" | "$one"/*) return 0 ;; esac
  done
  return 1
}
sha256sum -c "$lists.sums" 2>/dev/null | grep -v ': OK$' | while IFS= read -r result; do
  path=${result%: *}
  is_shared "$@" && continue
  [ -f "./$path" ] && say drift "changed $path"
done
while IFS= read -r path && IFS= read -r target; do
  is_shared "$@" && continue
  [ -L "./$path" ] && [ "$(readlink "./$path")" != "$target" ] && say drift "changed $path"
done <"$lists.links"
# Tagged names of what was sent (F, x bit: X) and of what is there (f, x): what is in one half only is told.
{
  cut -c 67- "$lists.sums" | sed 's|^\./||; s|^|F |'
  awk 'NR % 2 { print "F " $0 }' "$lists.links"
  sed -n 's|^{"path":"\(.*\)","type":"file","mode":493,.*|X \1|p' "$lists.manifest.json" | sed 's|\\"|"|g'
  find . ! -type d | sed 's|^\./|f |'
  find . -type f -perm -100 | sed 's|^\./|x |'
} | awk '{ tag = substr($0, 1, 1); path = substr($0, 3) }
  tag == "F" { sent[path] = 1 } tag == "X" { runs[path] = 1 } tag == "f" { there[path] = 1 } tag == "x" { can[path] = 1 }
  END {
    for (path in sent) if (!(path in there)) print "missing " path
    for (path in there) if (!(path in sent)) print "added " path
    for (path in sent) if (path in there && (path in runs) != (path in can)) print "mode " path
  }' | while IFS=' ' read -r what path; do
  is_shared "$@" || say drift "$what $path"
done
finish ok
