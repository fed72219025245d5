# Points current at a release by one rename. Arguments: token, target or "-" for none, what current must be now or "-", version
# whose record is written first or "-", that record; then those of what comes behind it.
token=$1
target=$2
expected=$3
version=$4
record=$5
shift 5
mine=$ship/lock/$token
holding "$token"

if [ -L "$root/current" ]; then now=$(readlink "$root/current")
elif [ -e "$root/current" ]; then fail obstacle '"current" is not a link'
else now=-; fi
switch() {
  [ "$now" = "$expected" ] || fail moved "$now"
  case $target in
    releases/*) [ -d "$root/$target" ] && [ ! -L "$root/$target" ] || fail gone "\"$target\" is not there" ;;
  esac
  if [ "$version" != - ]; then
    complaint=$(write_record "$ship/releases/$version.json" "$record" 2>&1) || fail write "$(cause "$complaint")"
  fi

  if [ -L "$mine/cur" ] || [ -e "$mine/cur" ]; then rm -rf "$mine/cur"; fi
  if [ "$target" = - ]; then
    complaint=$(mv -T "$root/current" "$mine/cur" 2>&1)
  else
    complaint=$(ln -s "$target" "$mine/cur" 2>&1 && mv -fT "$mine/cur" "$root/current" 2>&1)
  fi || { holding "$token"; fail write "$(cause "$complaint")"; }

  if [ "$target" = - ]; then [ ! -L "$root/current" ] || fail write '"current" is still there'
  else [ "$(readlink "$root/current")" = "$target" ] || fail write '"current" is not what it was made'; fi
}
# It may be there already.
[ "$now" = "$target" ] || switch
must_last "$root"
