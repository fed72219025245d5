# The folder in releases/ that current leads to; nothing when it leads elsewhere or nowhere.
live_release() {
  real=$(readlink -e "$root/current") && base=$(readlink -e "$root/releases") || return 0
  case $real in
    "$base"/*/*) ;;
    "$base"/*) printf '%s\n' "${real#"$base"/}" ;;
  esac
}

# Whether `ship release` put folder $1 there: then it is not the package's.
is_of_ship() { [ -e "$root/.ship/releases/$1.json" ]; }
