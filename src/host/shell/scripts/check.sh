# How a tree that came is held against its lists, which were held against their digests. It stands before stage.sh, and works in the tree.

# Every file by its digest, on all processors, each with a part of the list; with fewer files than those the first have one each, and the
# others none.
check_files() {
  processors=$(processors)
  each=$(((files + processors - 1) / processors))
  parts=
  from=1
  while [ "$from" -le "$files" ]; do
    complaint=$({ tail -n "+$from" ../sums | head -n "$each" >"../sums.$from"; } 2>&1) || abandon write "$complaint"
    parts="$parts ../sums.$from"
    from=$((from + each))
  done
  if command -v openssl >/dev/null 2>&1 && are_same; then return; fi
  # What was checked is counted: a program that was ended has checked nothing.
  complaint=$(
    {
      for list in $parts; do sha256sum -c "$list" 2>&1 & done
      wait
    } | awk -v files="$files" '/: OK$/ { good++; next } said < 3 { said++; print }
      END { if (!said && good != files) print good + 0 " of " files " files could be checked" }'
  )
  [ -z "$complaint" ] || abandon damaged "$complaint"
}

# Whether openssl comes to the same lists: it is two to three times as quick as the sha256sum of many systems. Where it does not, for whatever
# reason, sha256sum finds out what is wrong.
are_same() {
  working=
  for list in $parts; do
    cut -c 67- "$list" | each_of openssl dgst -sha256 -r 2>/dev/null | sed 's| \*\./|  |' | cmp -s - "$list" &
    working="$working $!"
  done
  for one in $working; do wait "$one" || return 1; done
}

# All at once, where readlink takes many; else, and to find out which, one by one.
check_links() {
  [ -s ../links ] || return 0
  awk 'NR % 2' ../links | tr '\n' '\0' | xargs -0 readlink -- 2>/dev/null >../targets
  if awk 'NR % 2 == 0' ../links | cmp -s - ../targets; then return 0; fi
  while IFS= read -r path && IFS= read -r target; do
    [ "$(readlink "./$path")" = "$target" ] || abandon damaged "link \"$path\" is not what was sent"
  done <../links
}
