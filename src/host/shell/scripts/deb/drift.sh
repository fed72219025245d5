# Holds a kept .deb against its record and, when it is the one installed, what it installed against the sums in dpkg's books. Arguments:
# version. Files of the administrator (conffiles) may differ, and documentation may be left out of a host (dpkg's path-exclude).
version=$1
file=$records/$version.deb
{ line_of "$records/$version.json" && [ -f "$file" ]; } || fail gone 'the package is not kept'
sum=$(sha256sum <"$file" | cut -d ' ' -f 1)
case $line in *"\"sha256\":\"$sum\""*) ;; *) say drift "changed .ship/debs/$version.deb" ;; esac
ask_live
if [ "$status" = installed ] && [ "$now" = "releases/$version" ]; then
  dpkg --verify "$package" 2>/dev/null | while IFS= read -r found; do
    path=/${found#*/}
    case $found in
      *' c /'* | 'missing '*' /usr/share/'*) continue ;;
      missing*) say drift "missing ${path#"$root/$now/"}" ;;
      *) say drift "changed ${path#"$root/$now/"}" ;;
    esac
  done
fi
finish ok
