# madang-escape: ends=time-limit wall=1500
"""Ignores every signal that can be ignored, leads sessions of its own, forks away: the run must still end at its limit, all of it."""
import os, signal, time

for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
for _ in range(4):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            while True:
                time.sleep(1)
        os._exit(0)
while True:
    time.sleep(1)
