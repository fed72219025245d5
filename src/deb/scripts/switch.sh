# Points current at folder $1 of releases/ by one rename: it leads somewhere at every instant.
point_at() {
  rm -f "$root/.current.dpkg"
  ln -s "releases/$1" "$root/.current.dpkg"
  mv -fT "$root/.current.dpkg" "$root/current"
}
