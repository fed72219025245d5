# Forgets what was done once: the run that it was for has ended. Arguments: token.
token=$1
holding "$token"
rm -rf "$ship/once"
finish ok
