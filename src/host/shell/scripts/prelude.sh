# Every script begins with this text. $1 is the marker of this call, $2 is deployTo; the rest is the verb's own.
# Answers are lines "<marker> <key> <value>"; the last one is "<marker> end <code> <reason>". What a login shell prints has no marker.
# POSIX sh: dash, bash and BusyBox. Values come as arguments only; no text is ever evaluated.
set -u
LC_ALL=C
export LC_ALL
umask 022
marker=$1
root=$2
shift 2
ship=$root/.ship
# Where the records of releases are, and the folder that a release is renamed into.
# shellcheck disable=SC2034 # not every verb reads them
records=$ship/releases
# shellcheck disable=SC2034
written=$root/releases

say() { printf '%s %s\n' "$marker" "$*"; }

finish() {
  printf '%s end %s %s\n' "$marker" "$1" "${2-}"
  exit 0
}

# The last complaint of a command, kept on one line, becomes the reason.
fail() {
  code=$1
  shift
  finish "$code" "$(printf '%s' "$*" | tr '\n' ' ' | cut -c 1-500)"
}

# Everything written so far on the file system of $1 reaches the disk; fails when the disk fails. A sync that knows no file systems (a small
# BusyBox) syncs all of them, and tells of no failure.
durable() {
  sync -f "$1" 2>/dev/null && return
  case $(sync --help 2>&1) in *'-f'* | *'-df'*) return 1 ;; esac
  sync
}

# The same for what must not go on otherwise: what is not on the disk is not done.
must_last() { durable "$1" || fail write "$unsynced"; }
unsynced='the disk failed: what was written did not reach it'

# Reads the first line of file $1 into $line without starting a process.
line_of() {
  line=
  [ -f "$1" ] || return 1
  IFS= read -r line <"$1" || [ -n "$line" ]
}

# Seconds since boot and the boot's id; the wall clock where there is no /proc.
uptime_now() {
  if read -r up _ </proc/uptime && read -r boot </proc/sys/kernel/random/boot_id; then
    printf '%s %s\n' "${up%.*}" "$boot"
  else
    printf '%s none\n' "$(date +%s)"
  fi 2>/dev/null
}

# Stops a run whose lock is gone. What is visible is guarded more strictly: it is renamed out of this very folder.
holding() { [ -d "$ship/lock/$1" ] || finish locked 'the lock was taken over'; }

# Writes line $2 to file $1 by a rename, so that nobody reads half of it.
write_line() { printf '%s\n' "$2" >"$1.new" && mv -f "$1.new" "$1"; }

# A record is on the disk before it has its name: after a power cut there is the old one or the new one, never an empty one.
write_record() { printf '%s\n' "$2" >"$1.new" && { sync "$1.new" 2>/dev/null || durable "$1.new"; } && mv -f "$1.new" "$1"; }

# Adds line $1 to the journal. What a power cut left there without its end stays a line of its own.
write_history() {
  begin=
  [ -z "$(tail -c 1 "$ship/history.ndjson" 2>/dev/null)" ] || begin='\n'
  printf "$begin%s\n" "$1" >>"$ship/history.ndjson"
}

# Free kilobytes (k) or inodes (i) where $2 lies: what stands before the percentage, for names beside it may hold spaces.
free_of() {
  df "-P$1" "$2" 2>/dev/null |
    awk 'NR > 1 { for (i = 2; i <= NF; i++) if ($i ~ /^[0-9]+%$/) { print $(i - 1); exit } }'
}

processors() { nproc 2>/dev/null || echo 1; }

# Why the last write failed: full disk and full inode table look alike to most tools.
cause() {
  blocks=$(free_of k "$root")
  inodes=$(free_of i "$root")
  if [ "${blocks:-9999}" -lt 64 ] 2>/dev/null; then printf 'the disk is full'
  elif [ "${inodes:-9999}" -lt 8 ] 2>/dev/null; then printf 'no inodes are left'
  else printf '%s' "${1:-the host could not write}"; fi
}
