# How a release lies on the disk: whoever changes a file, its mode or its name changes its inode or the time of that inode's last change, which
# nobody can set. Nothing where `find` cannot tell.
inodes_of() { find "$1" -mindepth 1 -printf '%i %C@ %s %m %P\n' 2>/dev/null; }
