# madang-escape: ends=output-limit,ok,time-limit wall=3000
"""The main process ends at once; a child that fled into a session of its own goes on writing to the pipes for ever."""
import os

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        while True:
            os.write(1, b"z" * 4096)
    os._exit(0)
os.wait()
# A line of its own, whatever the child has written before it.
print("\nHELD: the parent has ended", flush=True)
