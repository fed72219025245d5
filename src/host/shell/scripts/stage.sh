# Unpacks a release from standard input, checks all of it, and puts it into releases/ by one rename. Arguments: token, version,
# digest of the manifest, record, sha256 of the check list, number of entries, name of the tree's folder, gzip or zstd, number of
# shared dirs, then shared dirs and shared files. The stream vouches for nothing: what it must hold came in the arguments.
token=$1
version=$2
digest=$3
record=$4
checks=$5
entries=$6
tree=$7
unpacker=$8
dirs=$9
shift 9
part=$ship/incoming/$token
holding "$token"

# A release that is here under this version: the same bytes mean it is done, others are refused.
if [ -d "$root/releases/$version" ]; then
  line_of "$ship/releases/$version.json" || fail refused 'there is a folder of that name that ship did not make'
  case $line in *"\"digest\":\"$digest\""*) cat >/dev/null; finish ok 'was there already' ;; esac
  fail refused 'this version is there with other bytes'
fi

abandon() {
  why=$2
  case $1 in write) why=$(cause "$2") ;; esac
  rm -rf "$part"
  fail "$1" "$why"
}

rm -rf "$part"
complaint=$(mkdir -p "$part" 2>&1) || abandon write "$complaint"
complaint=$({ "$unpacker" -dc | tar -xf - -C "$part"; } 2>&1) || abandon write "$complaint"

cd "$part" || abandon write 'the staging folder is gone'
# Digest by digest: the argument vouches for checks, checks for the lists, the lists for every file.
[ "$(sha256sum <checks | cut -d ' ' -f 1)" = "$checks" ] 2>/dev/null || abandon damaged 'the check list is not what was sent'
sha256sum -c checks >/dev/null 2>&1 || abandon damaged 'the lists of the release are not what was sent'
cd "$tree" || abandon damaged 'there is no tree'
if [ -s ../sums ]; then
  complaint=$(sha256sum -c ../sums 2>&1 | grep -v ': OK$' | head -n 3)
  [ -z "$complaint" ] || abandon damaged "$complaint"
fi
while IFS= read -r path && IFS= read -r target; do
  [ "$(readlink "./$path")" = "$target" ] || abandon damaged "link \"$path\" is not what was sent"
done <../links
[ "$(find . | wc -l)" -eq "$((entries + 1))" ] || abandon damaged 'there are more or fewer entries than were sent'

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
for path do
  if [ "$dirs" -gt 0 ]; then
    dirs=$((dirs - 1))
    complaint=$(mkdir -p "$root/shared/$path" 2>&1) || abandon write "$complaint"
  elif [ ! -e "$root/shared/$path" ]; then
    abandon missing "shared file \"$path\" does not exist"
  fi
  complaint=$(link_shared "$path" 2>&1) || abandon write "$complaint"
done
cd "$root" || abandon write 'deployTo is gone'

for list in manifest.json sums links; do
  complaint=$(mv -f "$part/$list" "$ship/manifests/$version.$list" 2>&1) || abandon write "$complaint"
done
# Content first, names after: a power cut never leaves a name whose content is missing.
durable "$root"
holding "$token"
complaint=$(write_line "$ship/releases/$version.json" "$record" 2>&1) || abandon write "$complaint"
complaint=$(mv -T "$part/$tree" "$root/releases/$version" 2>&1) || abandon write "$complaint"
rm -rf "$part"
durable "$root"
finish ok
