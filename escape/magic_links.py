"""Follows the magic links of every process that can be seen to somewhere that is not ours."""
import os
from attempt import *

ours = os.stat("/")
me = os.getpid()
for pid in [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != me]:
    for name in ("root", "cwd", "exe"):
        def leads_out(path=f"/proc/{pid}/{name}"):
            seen = os.stat(path)
            return path if name == "root" and (seen.st_dev, seen.st_ino) != (ours.st_dev, ours.st_ino) else None
        must_fail(f"/proc/{pid}/{name}", leads_out)
    must_fail(f"/proc/{pid}/fd", lambda: os.listdir(f"/proc/{pid}/fd"))
    must_fail(f"/proc/{pid}/map_files", lambda: os.listdir(f"/proc/{pid}/map_files"))
    for space in ("mnt", "pid", "net", "user", "ipc", "uts", "cgroup", "time"):
        must_fail(f"/proc/{pid}/ns/{space}", opened, f"/proc/{pid}/ns/{space}", os.O_RDONLY)
root = os.stat("/proc/self/root")
must_be("our root is the root", (root.st_dev, root.st_ino) == (ours.st_dev, ours.st_ino), root)
up = os.stat("/..")
must_be("there is nothing above it", (up.st_dev, up.st_ino) == (ours.st_dev, ours.st_ino), up)
must_be("init has the pid 1 and nobody else is here", sorted(n for n in os.listdir("/proc") if n.isdigit()) == sorted({"1", str(me)}),
        os.listdir("/proc"))
must_fail("a descriptor of a directory above", lambda: os.listdir("/proc/self/fd/0/.."))
must_fail("the program of init", lambda: read("/proc/1/exe"))
