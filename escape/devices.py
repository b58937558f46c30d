"""Makes and opens device nodes."""
import os, stat
from attempt import *

NODES = [("mem", 0, 1, 1), ("kmem", 0, 1, 2), ("port", 0, 1, 4), ("kmsg", 0, 1, 11), ("loop0", 1, 7, 0), ("loop-control", 0, 10, 237), ("kvm", 0, 10, 232),
         ("fuse", 0, 10, 229), ("tun", 0, 10, 200), ("vda", 1, 254, 0), ("sda", 1, 8, 0), ("nvme", 1, 259, 0), ("tty0", 0, 4, 0), ("console", 0, 5, 1),
         ("hwrng", 0, 10, 183), ("vsock", 0, 10, 121), ("userfaultfd", 0, 10, 126), ("null", 0, 1, 3), ("nvidia0", 0, 195, 0)]
for name, block, major, minor in NODES:
    kind = stat.S_IFBLK if block else stat.S_IFCHR
    for place in ("/home/work", "/tmp", "/dev/shm"):
        def made(path=f"{place}/{name}"):
            os.mknod(path, kind | 0o666, os.makedev(major, minor))
            return opened(path, os.O_RDONLY)
        must_fail(f"make {place}/{name}", made)
    if name != "null":
        must_fail(f"open /dev/{name}", opened, f"/dev/{name}", os.O_RDONLY)
allowed = {"null", "zero", "full", "random", "urandom", "tty", "fd", "stdin", "stdout", "stderr", "ptmx", "pts", "shm"}
must_be("/dev holds what is harmless", set(os.listdir("/dev")) <= allowed, os.listdir("/dev"))
must_fail("make a node in /dev", lambda: os.mknod("/dev/mine", stat.S_IFCHR | 0o666, os.makedev(1, 3)) or "made")
found = [os.path.join(d, n) for top in ("/etc", "/opt", "/usr/lib/udev", "/var", "/run") for d, _, ns in os.walk(top) for n in ns
         if stat.S_IFMT(os.lstat(os.path.join(d, n)).st_mode) in (stat.S_IFBLK, stat.S_IFCHR)]
must_be("there are no devices elsewhere", not found, found)
