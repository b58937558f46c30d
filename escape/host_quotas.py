# madang-escape: at-once=3
"""Uses up what the whole machine has one of: terminals. Asks for what would tell of others: notifications. The other sandbox must still get some."""
import os, time
from attempt import *

# What a directory's watchers would hear, they would hear of every neighbour too: there are none.
must_be("nobody can watch what others open", libc.inotify_init() < 0 and libc.inotify_init1(0) < 0, 0)
terminals = []


def take(most):
    try:
        for _ in range(most):
            terminals.append(os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        pass
    return len(terminals)


children = 0
total = take(240)
for _ in range(20):
    read_end, write_end = os.pipe()
    if os.fork() == 0:
        terminals.clear()
        os.write(write_end, bytes([take(200)]))
        time.sleep(1)
        os._exit(0)
    total += os.read(read_end, 1)[0]
    os.close(read_end), os.close(write_end)
must_be("there are not terminals without end", 0 < total <= 256, total)
