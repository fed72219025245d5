# Forgets a kept .deb that is to come anew. Arguments: token, version.
token=$1
version=$2
holding "$token"
ask_live
[ "$now" != "releases/$version" ] || [ "$status" = broken ] || fail refused 'it is live'
complaint=$(rm -f "$records/$version.json" "$records/$version.deb" "$ship/manifests/$version.manifest.json" 2>&1) || fail write "$complaint"
finish ok
