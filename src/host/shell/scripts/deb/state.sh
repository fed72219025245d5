# What differs in the state of a host that gets packages. It stands behind state.sh.

probe_current() {
  ask_live
  if [ -d "$root/current" ] && [ ! -L "$root/current" ]; then say current directory
  elif [ -e "$root/current" ] && [ ! -L "$root/current" ]; then say current file
  elif [ "$now" = - ]; then say current absent
  else
    say current link "$now"
    if [ "$status" = broken ] || [ ! -d "$root/$now/" ]; then say dangling yes; fi
  fi
}

# One that is there without its .deb is of no use: neither the way back nor a rollback could install it.
probe_releases() {
  for record in "$records"/*.json; do
    name=${record##*/}
    name=${name%.json}
    [ -f "$records/$name.deb" ] && line_of "$record" && say record "$name $line"
  done
  say deb "$status $installed"
  [ -z "$hold" ] || say hold yes
  if [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; then say tool root; fi
  if command -v apt-get >/dev/null 2>&1 && command -v dpkg-query >/dev/null 2>&1; then say tool apt; fi
}

probe_other_form() {
  for record in "$ship"/releases/*.json; do
    [ -f "$record" ] || continue
    say other "$(readlink "$root/current" 2>/dev/null)"
    break
  done
}
