# Ends a program and all it started, first politely. Arguments: number of the group's leader.
# No "--" before the group: dash and BusyBox take it for a number.
kill -TERM "-$1" 2>/dev/null || kill -TERM "$1" 2>/dev/null
for _ in 1 2 3 4 5 6 7 8 9 10; do
  kill -0 "-$1" 2>/dev/null || finish ok
  sleep 0.2 2>/dev/null || sleep 1
done
kill -KILL "-$1" 2>/dev/null || kill -KILL "$1" 2>/dev/null
finish ok
