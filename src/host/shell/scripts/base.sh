# What a release will probably be put together from, for ahead.sh: the release, the name of the new one's folder, and how files are taken over.
# It stands before lock.sh and takes its arguments from before those.
base=$1
tree=$2
how=$3
shift 3
