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

# Everything written so far on the file system of $1 reaches the disk. BusyBox syncs all file systems.
durable() { sync -f "$1" 2>/dev/null || sync; }

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

# Free kilobytes (k) or inodes (i) where $2 lies: what stands before the percentage, for names beside it may hold spaces.
free_of() {
  df "-P$1" "$2" 2>/dev/null |
    awk 'NR > 1 { for (i = 2; i <= NF; i++) if ($i ~ /^[0-9]+%$/) { print $(i - 1); exit } }'
}

# Why the last write failed: full disk and full inode table look alike to most tools.
cause() {
  blocks=$(free_of k "$root")
  inodes=$(free_of i "$root")
  if [ "${blocks:-9999}" -lt 64 ] 2>/dev/null; then printf 'the disk is full'
  elif [ "${inodes:-9999}" -lt 8 ] 2>/dev/null; then printf 'no inodes are left'
  else printf '%s' "${1:-the host could not write}"; fi
}
