# Waits for an installation that a run before left running: nothing on the host can stop it half-way without harm, and what comes of it
# is the state to begin with. It stands before lock.sh and probe.sh.
settle() {
  left=$1
  while [ "$left" -gt 0 ] && is_installing; do
    # Whoever holds the lock and waits is alive.
    [ "$2" = - ] || uptime_now 1<>"$ship/lock/$2/beat" 2>/dev/null || holding "$2"
    sleep 1
    left=$((left - 1))
  done
}
