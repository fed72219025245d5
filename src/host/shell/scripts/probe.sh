# Answers the state, and what takes a process each and is of no use under the lock: the clock and the platform. Arguments: names of shared
# files to look for.
settle 30 -
probe "$@"
say clock "$(date +%s)"
say uname "$(uname -s -m)"
finish ok
