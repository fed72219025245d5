# A host that gets packages: a release is a .deb kept in .ship/debs, and the one that is live is the one that dpkg has installed. The name
# of the package is that of the folder, which lies in /opt. Words on states: dpkg-query(1), db:Status-Abbrev.
package=${root##*/}
records=$ship/debs
written=$records
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

# Sets $status (absent, left, installed, broken) and $installed, the version that dpkg has in mind.
ask_dpkg() {
  said=$(dpkg-query -W -f='${db:Status-Abbrev}|${Version}' "$package" 2>/dev/null) || said='un |'
  installed=${said#*|}
  hold=
  case $said in h*) hold=yes ;; esac
  case $said in
    ?n*) status=absent ;;
    ?c*) status=left ;;
    ?iR* | ?[!iWt]*) status=broken ;;
    *) status=installed ;;
  esac
}

# Sets $now, what is live as a link would say it, or "-". What a cut installation left is the release that was to be installed, and does
# not lead anywhere. The copy that a package makes of a release for its upgrade is that release.
ask_live() {
  ask_dpkg
  now=-
  [ ! -L "$root/current" ] || now=$(readlink "$root/current")
  case $status in
    installed)
      case $now in
        -) now=releases/.missing ;;
        releases/.dpkg-*) now=releases/${now#releases/.dpkg-} ;;
      esac ;;
    broken)
      line_of "$records/doing" || line='.broken'
      now=releases/${line%% *} ;;
  esac
}

# What apt or dpkg gives as the reason, in the file $1, as one line.
reason_in() {
  awk '/^dpkg: error .*:$/ { getline; sub(/^ +/, ""); print; exit }
    / (Depends|PreDepends|Conflicts|Breaks): / { sub(/^ +/, ""); print; exit }
    /^E: / && !/Sub-process/ { print; exit }' "$1"
}

# What the two say, without what they always say.
say_log() {
  grep -vE '^$|^\(?Reading |^Building |^Need to get |^After this |^Get:|^\(Reading |^Selecting ' "$1" | tail -n 30 |
    while IFS= read -r line; do say said "$line"; done
}

# Start time of a process: a number alone is given to another one some day.
born() { sed 's/^.*) //' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 20; }

# Whether an installation is under way, by whoever began it: the second and third word of `doing` are its process.
is_installing() {
  line_of "$records/doing" || return 1
  worker=${line#* }
  [ -n "${worker#* }" ] && [ "$(born "${worker%% *}")" = "${worker#* }" ]
}
