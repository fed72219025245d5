# What stands before it went well, which is told at once; a program comes behind it.
printf '%s end ok\n' "$marker"
