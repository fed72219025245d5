# Reads $1 settings from standard input and exports them: name, number of lines, lines. They come that way, for a list of processes is
# everybody's to read. Names were checked by the caller; values are quoted here, so nothing of them is evaluated. A setting may have the
# name of one of our own variables, so this comes last, in the process that becomes the program.
take_settings() {
  ship_left=$1
  while [ "$ship_left" -gt 0 ]; do
    IFS= read -r ship_name && IFS= read -r ship_lines && IFS= read -r ship_value || break
    while [ "$ship_lines" -gt 1 ]; do
      IFS= read -r ship_line || break 2
      ship_value="$ship_value
$ship_line"
      ship_lines=$((ship_lines - 1))
    done
    export "$ship_name=$ship_value"
    ship_left=$((ship_left - 1))
  done
  [ "$ship_left" = 0 ] || { echo 'the settings of the program broke off' >&2; exit 76; }
  unset ship_left ship_name ship_lines ship_value ship_line
}
