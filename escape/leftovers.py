# madang-escape: runs=3
"""Leaves marks wherever it can, and looks for those of the sandbox before. Runs several times, each in a fresh sandbox."""
import ctypes, os, subprocess, sys
from attempt import *

MARK, KEY = "left-by-a-guest", 0x6D61646E
places = ["/tmp", "/dev/shm", "/home/work", "/var/tmp", "/run/madang/tmp", "/run", "/run/lock", "/var/lock"]
ours = {"leftovers.py", "attempt.py", "__pycache__"}
for place in places:
    must_fail(f"a mark in {place}", lambda: os.path.exists(f"{place}/{MARK}") or None)
must_be("/tmp is empty", os.listdir("/tmp") == [], os.listdir("/tmp"))
must_be("/dev/shm is empty", os.listdir("/dev/shm") == [], os.listdir("/dev/shm"))
must_be("/home/work holds our program alone", set(os.listdir("/home/work")) <= ours, os.listdir("/home/work"))
must_be("nobody else runs", len([name for name in os.listdir("/proc") if name.isdigit()]) == 2, os.listdir("/proc"))
for kind in ("shm", "msg", "sem"):
    lines = read(f"/proc/sysvipc/{kind}").decode().splitlines()[1:]
    must_be(f"no System V {kind}", lines == [], lines)
must_be("no sockets", read("/proc/net/unix", 65536).decode().count("\n") <= 1, read("/proc/net/unix"))
must_be("no listeners", read("/proc/net/tcp").decode().count("\n") <= 1, read("/proc/net/tcp"))
must_be("no mark in the environment", MARK not in str(os.environ), dict(os.environ))
for place in places:
    try:
        open(f"{place}/{MARK}", "w").write(MARK)
    except OSError:
        pass
libc.syscall(29, KEY, 4096, 0o1666)
libc.syscall(68, KEY, 0o1666)
libc.syscall(64, KEY, 1, 0o1666)
subprocess.Popen([sys.executable, "-c", f"import os,time,socket; os.setsid(); s=socket.socket(); s.bind(('127.0.0.1',7777)); s.listen(); time.sleep(1000)  # {MARK}"],
                 stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
