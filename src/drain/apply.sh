# Puts a new text in the place of a file that a running nginx reads. Arguments: file, sha256 of the text that was read ("none": there was no
# file), new text, command that tests, command that reloads, file of the master's process id, seconds to wait, "yes" to reload in any case.
# The old text stays beside the file until nginx runs the new one, so that a run that dies in between leaves something to go back to.
# Names begin with a dot: nginx's include patterns do not match them. Exit codes: 0, 64 cannot write, 65 test, 66 reload, 75 changed meanwhile.
set -u
LC_ALL=C
export LC_ALL
# Who asked may be gone in the middle; half of an edit is worse than a whole one.
trap '' HUP INT TERM PIPE
file=$1 expected=$2 text=$3 test=$4 reload=$5 pidfile=$6 seconds=$7 force=$8
if [ -e "$file" ] || [ -L "$file" ]; then file=$(readlink -f "$file") || exit 64; fi
beside=${file%/*}/.${file##*/}.ship
old=$beside-old

{ true >>"$beside-lock"; } 2>/dev/null || { echo "cannot write in ${file%/*}"; exit 64; }
exec 9<"$beside-lock"
if command -v flock >/dev/null 2>&1; then flock -w "$seconds" 9 || { echo "$beside-lock is held by another run"; exit 64; }; fi

now=none
if [ -f "$file" ]; then now=$(sha256sum <"$file" | cut -d ' ' -f 1); fi
[ "$now" = "$expected" ] || exit 75
if [ "$now" = "$(printf '%s' "$text" | sha256sum | cut -d ' ' -f 1)" ] && [ ! -e "$old" ] && [ "$force" != yes ]; then exit 0; fi

# Children of the master that are no cache processes: the workers, those of earlier configurations among them.
workers() {
  master=
  read -r master <"$pidfile" 2>/dev/null
  for stat in /proc/[0-9]*/stat; do
    read -r pid _ _ parent _ <"$stat" || continue
    [ "$parent" = "$master" ] || continue
    case $(tr '\0' ' ' <"/proc/$pid/cmdline") in *cache*) ;; *) printf '%s ' "$pid" ;; esac
  done 2>/dev/null
}

take_back() {
  if [ -s "$old" ]; then mv -f "$old" "$file"; else rm -f "$old" "$file"; fi
}

# An old text that a dead run left is the last one that nginx ran.
if [ ! -e "$old" ]; then
  if [ "$now" = none ]; then true >"$old" || exit 64
  else
    { cp -p "$file" "$beside-new" && mv -f "$beside-new" "$old"; } || exit 64
  fi
fi
if [ "$now" = none ]; then rm -f "$beside-new"; else cp -p "$file" "$beside-new"; fi
{ printf '%s' "$text" >"$beside-new" && mv -f "$beside-new" "$file"; } 2>/dev/null || {
  rm -f "$beside-new" "$old"
  echo "cannot write $file"
  exit 64
}

before=$(workers)
if ! said=$(sh -c "$test" 2>&1 9<&-); then
  take_back
  printf '%s\n' "$said"
  exit 65
fi
if ! said=$(sh -c "$reload" 2>&1 9<&-); then
  take_back
  printf '%s\n' "$said"
  exit 66
fi

# A reload only sends a signal. It has been heard when there is a worker that was not there before.
tries=$((seconds * 5))
while :; do
  for pid in $(workers); do
    case " $before" in *" $pid "*) ;; *) break 2 ;; esac
  done
  tries=$((tries - 1))
  if [ "$tries" -le 0 ]; then
    take_back
    echo "nginx went on with its old configuration; see its error log"
    exit 66
  fi
  sleep 0.2 2>/dev/null || { sleep 1; tries=$((tries - 4)); }
done
rm -f "$old"
printf 'workers %s\n' "$before"
