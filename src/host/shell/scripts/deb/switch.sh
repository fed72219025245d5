# Installs a kept .deb, or takes the package away. Arguments: token, "releases/<version>" or "-" for none, what is live now or "-", version
# whose record is written first or "-", that record, seconds to wait for dpkg's lock, seconds for the installation.
#
# The work is done by a process of its own: a connection that is cut does not end dpkg in the middle. Its first act is to rename its name
# out of the lock holder's folder, so that it cannot begin when the lock was taken over; who takes the lock waits for it (settle.sh).
token=$1
target=$2
expected=$3
recorded=$4
record=$5
patience=$6
limit=$7
mine=$ship/lock/$token
log=$records/log
holding "$token"

ask_live
version=${target#releases/}
file=$records/$version.deb
if [ "$target" = - ]; then
  if [ "$now" = - ] && [ "$status" != broken ]; then finish ok 'was not there'; fi
else
  { line_of "$records/$version.json" && [ -f "$file" ]; } || fail gone "the package of $version is not kept here"
  sum=$(sha256sum <"$file" | cut -d ' ' -f 1)
  case $line in *"\"sha256\":\"$sum\""*) ;; *) fail gone "the kept package of $version is not what was sent" ;; esac
  wanted=$(dpkg-deb -f "$file" Version)
  # What was never live by ship's hand may be another package of that version.
  case $line in *'"state":"staged"'*) ;; *)
    if [ "$now" = "$target" ] && [ "$status" = installed ] && [ "$installed" = "$wanted" ]; then finish ok 'was there already'; fi ;;
  esac
fi
[ "$now" = "$expected" ] || fail moved "$now"
if [ "$recorded" != - ]; then
  complaint=$(write_record "$records/$recorded.json" "$record" 2>&1) || fail write "$(cause "$complaint")"
fi
# Settings that an administrator left are left again when the first release is taken back.
[ "$status" != left ] || : >"$records/left-before"
[ "$status" != installed ] || rm -f "$records/left-before"
away=--purge
[ ! -e "$records/left-before" ] || away=--remove

as_root=
[ "$(id -u)" = 0 ] || as_root='sudo -n'
how=forward
[ "$recorded" != - ] || how=back
# shellcheck disable=SC2016
worker='mine=$1 doing=$2 target=$3 how=$4 broken=$5 package=$6 file=$7 away=$8 patience=$9
shift 9
limit=$1 as_root=$2
printf "%s %s %s\n" "$target" $$ "$(sed "s/^.*) //" /proc/$$/stat | cut -d " " -f 20)" >"$mine/doing" || exit 74
sync -f "$mine/doing" 2>/dev/null
mv -f "$mine/doing" "$doing" 2>/dev/null || exit 75
quiet() {
  $as_root env DEBIAN_FRONTEND=noninteractive APT_LISTCHANGES_FRONTEND=none UCF_FORCE_CONFFOLD=1 PATH="$PATH" \
    timeout -k 30 "$limit" "$@"
}
patient() {
  waited=0
  while :; do
    said=$(quiet "$@" 2>&1)
    code=$?
    case $said in *"locked by another process"* | *"unable to lock"*) ;; *) break ;; esac
    [ "$waited" -lt "$patience" ] || break
    waited=$((waited + 1))
    sleep 1
  done
  printf "%s\n" "$said"
  return "$code"
}
# apt does nothing while dpkg has notes of a run that was cut off. This takes them into its books; to configure all that is half-way, as
# apt advises, would run what hung or failed once more.
if [ "$broken" = yes ] || [ -n "$(ls /var/lib/dpkg/updates 2>/dev/null)" ]; then patient dpkg --triggers-only -a; fi
if [ "$target" = - ]; then
  patient dpkg --force-remove-reinstreq "$away" "$package"
  exit
fi
# Nobody is there to be asked whether another package may go for this one.
quiet apt-get install -y --no-remove --reinstall --allow-downgrades --no-install-recommends -o Dpkg::Options::=--force-confdef \
  -o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout="$patience" -o APT::Color=0 -o Dpkg::Use-Pty=0 "$file"
code=$?
# What apt gives up on (a package of which dpkg wants its own files first, trouble with others), dpkg alone may do.
if [ "$code" != 0 ] && { [ "$how" = back ] || [ "$broken" = yes ]; }; then
  patient dpkg --force-confdef --force-confold --install "$file"
  code=$?
fi
exit "$code"'
broken=no
[ "$status" != broken ] || broken=yes
setsid -w sh -c "$worker" sh "$mine" "$records/doing" "$version" "$how" "$broken" "$package" "$file" "$away" "$patience" "$limit" \
  "$as_root" </dev/null >"$log" 2>&1 &
wait $!
code=$?

# What dpkg says now counts, not the exit code alone.
ask_live
[ "$status" = broken ] || rm -f "$records/doing"
if [ "$target" = - ]; then
  if [ "$code" = 0 ] && [ "$now" = - ]; then
    rm -f "$records/left-before"
    must_last "$root"
    must_last /var/lib/dpkg
    finish ok
  fi
elif [ "$code" = 0 ] && [ "$status" = installed ] && [ "$installed" = "$wanted" ] && [ "$now" = "$target" ]; then
  must_last "$root"
  must_last /var/lib/dpkg
  finish ok
fi
[ "$code" != 75 ] || holding "$token"
say_log "$log"
why=$(reason_in "$log")
case $code in
  0) fail broken "dpkg says $status $installed, and \"current\" leads to $now" ;;
  124 | 137) fail broken "the installation took longer than $limit s" ;;
  *) fail broken "${why:-the installation ended with exit code $code}" ;;
esac
