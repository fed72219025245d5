# Takes current away when it is the package's: it leads to its release or a copy, or nowhere.
leave() {
  now=$(live_release)
  case $now in
    "$release") if is_of_ship "$now"; then return 0; fi ;;
    .dpkg-*) ;;
    *) if [ -e "$root/current" ] || [ ! -L "$root/current" ]; then return 0; fi ;;
  esac
  rm -f "$root/current"
}
