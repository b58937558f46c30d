# madang-escape: at-once=3
"""Uses up what the whole machine has one of: notification instances, terminals. The other sandbox must still get some."""
import os, pty, time
from attempt import *

watchers = []
while len(watchers) < 200:
    descriptor = libc.inotify_init()
    if descriptor < 0:
        break
    watchers.append(descriptor)
# The neighbour is at it now.
time.sleep(1)
must_be("a neighbour leaves us watchers", len(watchers) > 64, len(watchers))
for descriptor in watchers:
    os.close(descriptor)
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
