# Unpacks a release from standard input, checks all of it, and puts it into releases/ by one rename. Arguments: token, version,
# digest of the manifest, record, sha256 of the check list, number of entries, name of the tree's folder, gzip or zstd, the release
# that the rest is copied from or "-", how it is copied (copy or hardlink), whether that is "most" or "some" of it, what the tree takes on the
# disk, folder of files that rsync put beside or "-", number of shared dirs, then shared dirs and shared files.
# The stream vouches for nothing: what it must hold came in the arguments.
token=$1
version=$2
digest=$3
record=$4
checks=$5
entries=$6
tree=$7
unpacker=$8
base=$9
shift 9
how=$1
most=$2
bytes=$3
near=$ship/incoming/$4
dirs=$5
shift 5
part=$ship/incoming/$token
holding "$token"

# A release that is here under this version: the same bytes mean it is done, others are refused.
if [ -d "$root/releases/$version" ]; then
  line_of "$ship/releases/$version.json" || fail refused 'there is a folder of that name that ship did not make'
  case $line in *"\"digest\":\"$digest\""*) cat >/dev/null; finish ok 'was there already' ;; esac
  fail refused 'this version is there with other bytes'
fi

# What rsync brought for other payloads is of no use any more.
for left in "$ship"/incoming/part-near-*; do
  [ "$left" = "$near" ] || rm -rf "$left"
done
free=$(free_of k "$root")
if [ "$base" != - ] && is_copied; then
  whole=yes
  # What is there was free before.
  free=$((free + bytes / 1024))
else
  begin_receiving
  [ "$base" = - ] || copy_base
fi
expect
complaint=$({ receive | "$unpacker" -dc | tar -xf - -C "$part"; } 2>&1) || abandon write "$complaint"

cd "$part" || abandon write 'the staging folder is gone'
[ "$base" = - ] || edit_lists
# Digest by digest: the argument vouches for checks, checks for the lists, the lists for every file.
[ "$(sha256sum <checks | cut -d ' ' -f 1)" = "$checks" ] 2>/dev/null || abandon damaged 'the check list is not what was sent'
sha256sum -c checks >/dev/null 2>&1 || abandon damaged 'the lists of the release are not what was sent'
[ "$base" = - ] || fill_tree
cd "$tree" || abandon damaged 'there is no tree'

# One time for all, as in the archive: what was copied, and what some tar programs leave out. Not for names that another release has too.
# Tells the name of each entry.
epoch=$(sed -n '1s|.*"epoch":\([0-9]*\).*|\1|p' ../manifest.json)
set_times() { find . -print \( -type d -o -links 1 \) -exec touch -c -h -d "@${epoch:-0}" {} + 2>/dev/null; }
set_times >../entries &
timing=$!
files=$(wc -l <../sums)
check_files
check_links
wait "$timing"
[ "$(wc -l <../entries)" -eq "$((entries + 1))" ] || abandon damaged 'there are more or fewer entries than were sent'

# Links into shared/, as deep as they stand: a/b/c needs ../../../../shared/a/b/c from releases/<version>/a/b.
link_shared() {
  up=../../shared
  rest=$1
  while [ "$rest" != "${rest#*/}" ]; do
    rest=${rest#*/}
    up=../$up
  done
  rm -rf "./$1"
  case $1 in */*) mkdir -p "./${1%/*}" || return 1 ;; esac
  ln -s "$up/$1" "./$1"
}
links=$#
for path do
  if [ "$dirs" -gt 0 ]; then
    dirs=$((dirs - 1))
    complaint=$(mkdir -p "$root/shared/$path" 2>&1) || abandon write "$complaint"
  elif [ ! -e "$root/shared/$path" ]; then
    abandon missing "shared file \"$path\" does not exist"
  fi
  complaint=$(link_shared "$path" 2>&1) || abandon write "$complaint"
done
[ "$links" = 0 ] || set_times >/dev/null
cd "$root" || abandon write 'deployTo is gone'

for list in manifest.json sums links; do
  complaint=$(mv -f "$part/$list" "$ship/manifests/$version.$list" 2>&1) || abandon write "$complaint"
done
inodes_of "$part/$tree" >"$ship/manifests/$version.inodes" &
listing=$!
complaint=$({ printf '%s\n' "$record" >"$records/$version.json.new"; } 2>&1) || abandon write "$complaint"
# Content first, names after: a power cut never leaves a name whose content is missing.
durable "$root" || abandon write "$unsynced"
wait "$listing"
[ -s "$ship/manifests/$version.inodes" ] || rm -f "$ship/manifests/$version.inodes"
holding "$token"
complaint=$(mv -f "$records/$version.json.new" "$records/$version.json" 2>&1) || abandon write "$complaint"
complaint=$(mv -T "$part/$tree" "$root/releases/$version" 2>&1) || abandon write "$complaint"
rm -rf "$part" "$kept" "$near" "$ship"/incoming/lanes-*
durable "$root" || abandon write "$unsynced"
finish ok
