# Removes a staged release that is to be staged anew. Arguments: token, version.
token=$1
version=$2
holding "$token"
[ "$(readlink "$root/current" 2>/dev/null)" != "releases/$version" ] || fail refused 'it is live'
if [ -d "$root/releases/$version" ]; then
  complaint=$(mv -T "$root/releases/$version" "$ship/trash/$version" 2>&1) || fail write "$complaint"
fi
rm -f "$ship/releases/$version.json" "$ship/manifests/$version".*
rm -rf "$ship/trash/$version" 2>/dev/null
finish ok
