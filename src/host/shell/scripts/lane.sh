# Brings every so-many-th piece of a payload beside the script that stages it, which waits for the pieces (receive.sh). Arguments: token,
# number of this lane, number of lanes, blocks of 64 KiB in a piece, name of the folder of the pieces. The input ends with the last piece; what ends before that was cut, and
# the piece is too short to be taken.
token=$1
lane=$2
lanes=$3
blocks=$4
pieces=$ship/incoming/$5
holding "$token"
# Reads no byte more than it is told, which some programs do from a pipe.
piece() { dd bs=65536 count="$blocks" iflag=fullblock 2>/dev/null; }
piece </dev/null || finish unfit 'dd reads no whole blocks here'
complaint=$(mkdir -p "$pieces" 2>&1) || fail write "$(cause "$complaint")"
trap '{ : >"$pieces/$lane.end"; } 2>/dev/null' EXIT
say ready yes

number=$lane
while piece >"$pieces/$lane.new" && [ -s "$pieces/$lane.new" ]; do
  mv -f "$pieces/$lane.new" "$pieces/$number" || break
  number=$((number + lanes))
done
complaint=$(rm "$pieces/$lane.new" 2>&1) || fail write "$(cause "$complaint")"
finish ok
