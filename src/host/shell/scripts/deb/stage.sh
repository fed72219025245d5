# Takes a .deb from standard input, checks it, and keeps it with its record. Arguments: those of the stage.sh for trees; what is checked is
# the list `checks`, which names the .deb and the manifest of its tree.
token=$1
version=$2
digest=$3
record=$4
checks=$5
shift 9
bytes=$3
near=$ship/incoming/$4
part=$ship/incoming/$token
holding "$token"
free=$(free_of k "$root")
begin_receiving
expect
complaint=$({ receive | tar -xf - -C "$part"; } 2>&1) || abandon write "$complaint"

cd "$part" || abandon write 'the staging folder is gone'
[ "$(sha256sum <checks | cut -d ' ' -f 1)" = "$checks" ] 2>/dev/null || abandon damaged 'the check list is not what was sent'
sha256sum -c checks >/dev/null 2>&1 || abandon damaged 'the package is not what was sent'
[ "$(dpkg-deb -f package.deb Package 2>/dev/null)" = "$package" ] || abandon refused "it is not a package \"$package\""
# Would apt install it? What a host lacks is known before anything is installed on any. What was left half-way is put right by the switch.
ask_dpkg
if [ "$status" != broken ] && command -v apt-get >/dev/null 2>&1; then
  apt-get install -s --no-remove --allow-downgrades --no-install-recommends "$part/package.deb" >"$part/log" 2>&1 || {
    say_log "$part/log"
    abandon missing "$(reason_in "$part/log")"
  }
fi
cd "$root" || abandon write 'deployTo is gone'

complaint=$(mkdir -p "$records" && gzip -dc "$part/manifest.json.gz" >"$part/manifest.json" 2>&1 &&
  mv -f "$part/manifest.json" "$ship/manifests/$version.manifest.json" 2>&1 &&
  mv -f "$part/package.deb" "$records/$version.deb" 2>&1) || abandon write "$complaint"
durable "$root" || abandon write "$unsynced"
holding "$token"
complaint=$(write_record "$records/$version.json" "$record" 2>&1) || abandon write "$complaint"
rm -rf "$part" "$kept" "$ship"/incoming/lanes-*
durable "$root" || abandon write "$unsynced"
finish ok
