"""Threads, zombies and processes in number: there is an end, and after it the sandbox still works."""
import os, threading, time
from attempt import *

threads, stop = 0, threading.Event()
try:
    while threads < 2000:
        threading.Thread(target=stop.wait, daemon=True).start()
        threads += 1
except RuntimeError:
    pass
must_be("threads end", threads < 200, threads)
stop.set()
until = time.monotonic() + 3
while threading.active_count() > 1 and time.monotonic() < until:
    time.sleep(0.01)
zombies = []
try:
    while len(zombies) < 2000:
        child = os.fork()
        if child == 0:
            os._exit(0)
        zombies.append(child)
except OSError:
    pass
must_be("zombies end", len(zombies) < 200, len(zombies))
for child in zombies:
    os.waitpid(child, 0)
must_be("a process can be started again", os.spawnlp(os.P_WAIT, "true", "true") == 0, "")
