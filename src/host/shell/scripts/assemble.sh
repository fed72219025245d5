# What a stream with a base leaves out is put together from what the host has. It stands before stage.sh, which checks the outcome as
# if all of it had been sent: nothing here needs to be believed.

# Applies the edits in file $2 to the list $1: "k 3 17" keeps lines 3 to 17, "+text" is a new line.
edited() {
  awk 'FILENAME == ARGV[1] { line[FNR] = $0; next }
    /^\+/ { print substr($0, 2); next }
    { for (i = $2; i <= $3; i++) print line[i] }' "$1" "$2"
}

# Names, one a line, as arguments of a program that cannot be options.
each_of() { sed 's|^|./|' | tr '\n' '\0' | xargs -0 -r "$@"; }

# All of the base at once, before the stream is read: quicker than file by file, and done while the stream is on its way. Only where the base
# is as it was checked: then there is nothing in it but what was sent, and every mode is right. That is found out beside.
copy_base() {
  whole=no
  [ "$most" = most ] && [ -s "$ship/manifests/$base.inodes" ] || return 0
  case $(cp --help 2>&1) in *--reflink*) ;; *) return 0 ;; esac
  case $(xargs --help 2>&1) in *-P*) ;; *) return 0 ;; esac
  # A link changes the inode that it is made to: with links it is found out before.
  if [ "$how" = hardlink ]; then is_as_checked || return 0; fi
  { [ "$how" = hardlink ] || is_as_checked; } &
  looking=$!
  complaint=$({ cd "$root/releases/$base" && copy_all; } 2>&1)
  copied=$?
  if ! wait "$looking"; then
    rm -rf "${part:?}/$tree"
    return 0
  fi
  [ "$copied" = 0 ] || abandon write "$complaint"
  whole=yes
  # Links that were laid over it, into shared/, go before anything can be written through them.
  line_of "$records/$base.json" || line=
  case $line in *'"shared":[]'*) ;; *) take_out_links ;; esac
  # It reaches the disk while the stream comes.
  sync -f "$part" >/dev/null 2>&1 </dev/null &
}

# Whether the base was copied behind the lock, see ahead.sh. Waits for who is at it.
is_copied() {
  until [ -e "$part/copied" ]; do
    line_of "$part/copying" && kill -0 "$line" 2>/dev/null && [ -d "$ship/lock/$token" ] || break
    sleep 0.01 2>/dev/null || sleep 1
  done
  line_of "$part/copied" && [ "$most $line" = "most $base $how $tree" ]
}

is_as_checked() { inodes_of "$root/releases/$base" | cmp -s - "$ship/manifests/$base.inodes"; }

# Everything from here to the tree, what lies in folders on all processors. The folders themselves are made before, or two would make the same.
copy_all() {
  way=--reflink=auto
  [ "$how" = copy ] || way=-l
  mkdir "$part/$tree" || return 1
  find . -mindepth 1 -maxdepth 1 ! -type d -print0 | xargs -0 -r cp -dR "$way" -t "$part/$tree" || return 1
  find . -mindepth 1 -maxdepth 1 -type d -print0 | (cd "$part/$tree" && xargs -0 -r mkdir) || return 1
  find . -mindepth 2 -maxdepth 2 -print0 | xargs -0 -r -n 16 -P "$(processors)" cp -dR "$way" --parents -t "$part/$tree"
}

take_out_links() {
  (cd "$part/$tree" && find . -type l | sed 's|^\./||' |
    awk 'FILENAME == ARGV[1] { if (NR % 2) sent[$0] = 1; next } !($0 in sent)' "$ship/manifests/$base.links" - | each_of rm -f)
}

# Copies the files named in `kept` from the base, with new inodes, or shared blocks where the file system can; two names for one file
# only when that was asked for.
copy_kept() {
  [ -s "$part/names" ] || return 0
  cd "$root/releases/$base" || return 1
  case $(cp --help 2>&1) in
    *--reflink*)
      if [ "$how" = hardlink ]; then each_of cp -l --parents -t "$part/$tree" <"$part/names"
      else each_of cp -p --reflink=auto --parents -t "$part/$tree" <"$part/names"; fi ;;
    *) each_of sh -c 'to=$1; shift; tar -cf - "$@" | tar -xf - -C "$to"' sh "$part/$tree" <"$part/names" ;;
  esac
}

copy_moved() {
  while IFS= read -r from && IFS= read -r to; do
    # Another release may have the file that lies there too.
    rm -f "$part/$tree/$to"
    cp -p "$root/releases/$from" "$part/$tree/$to" || return 1
  done <"$part/copies"
}

# Modes as the manifest has them, a decimal number there. Arguments: types, as a pattern; a filter of names. Folders of a base that is copied
# as a whole have theirs, or were sent.
chmod_as() {
  for mode in $(sed -n 's|^{"path":.*,"type":"'"$1"'","mode":\([0-9]*\)[,}].*|\1|p' ../manifest.json | sort -u); do
    sed -n 's|^{"path":"\(.*\)","type":"'"$1"'","mode":'"$mode"'[,}].*|\1|p' ../manifest.json |
      sed 's|\\"|"|g' | "$2" | each_of chmod "$(printf '%o' "$mode")" || return 1
  done
}

moved_here() { awk 'NR == FNR { if (NR % 2 == 0) moved[$0] = 1; next } $0 in moved' ../copies -; }

# What stayed in a base that is copied as a whole has its mode.
set_modes() {
  if [ "$whole" = no ]; then chmod_as '[fd][a-z]*' cat
  elif [ -s ../copies ]; then chmod_as file moved_here; fi
}

# All at once; what became of them is held against their digests.
edit_lists() {
  working=
  for list in sums links manifest.json; do
    [ -f "$ship/manifests/$base.$list" ] || abandon damaged "the lists of release $base are gone"
    edited "$ship/manifests/$base.$list" "$list.edits" >"$list" 2>/dev/null &
    working="$working $!"
  done
  # shellcheck disable=SC2086 # a number each
  wait $working
  [ "$whole" = yes ] || edited "$ship/manifests/$base.sums" kept | cut -c 67- | sed 's|^\./||' >names
}

# What of the base is not there any more.
take_out() { [ ! -s ../gone ] || each_of rm -rf <../gone; }

fill_tree() {
  if [ "$whole" = no ]; then complaint=$({ (copy_kept) && copy_moved && cd "$tree" && set_modes; } 2>&1) && return 0
  else complaint=$({ copy_moved && cd "$tree" && take_out && set_modes; } 2>&1) && return 0; fi
  # Whatever of the base is not there any more is no lack of disk.
  case $complaint in *'o such file'*) abandon damaged "release $base is not whole: $(printf '%s' "$complaint" | head -n 1)" ;; esac
  abandon write "$(printf '%s' "$complaint" | head -n 3)"
}
