# madang-escape: own=any
# Becomes another program that holds the driver's channels.
import os
os.set_inheritable(3, True)
os.set_inheritable(4, True)
os.execv("/bin/sh", ["sh", "-c", "while :; do echo 'done 0 ok' >&4 || exit; done"])
