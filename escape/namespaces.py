"""Makes or joins namespaces, where a process would have every capability again."""
import ctypes, os, struct
from attempt import *

KINDS = dict(mnt=0x20000, cgroup=0x2000000, uts=0x4000000, ipc=0x8000000, user=0x10000000, pid=0x20000000, net=0x40000000, time=0x80)
SIGCHLD = 17


def cloned(flags):
    child = libc.syscall(56, ctypes.c_long(flags | SIGCHLD), 0, 0, 0, 0)
    if child == 0:
        os._exit(0)
    return child if child > 0 else None


def cloned3(flags):
    arguments = ctypes.create_string_buffer(struct.pack("QQQQQ", flags, 0, 0, 0, SIGCHLD) + bytes(48))
    child = call("clone3", arguments, 88)
    if child == 0:
        os._exit(0)
    return child


for name, flag in KINDS.items():
    must_fail(f"unshare {name}", lambda: call("unshare", flag) or "unshared")
    must_fail(f"unshare user and {name}", lambda: call("unshare", flag | KINDS["user"]) or "unshared")
    must_fail(f"clone3 {name}", cloned3, flag)
    must_fail(f"clone3 user and {name}", cloned3, flag | KINDS["user"])
    if flag != 0x80:  # as a flag of clone it is part of the signal's number
        must_fail(f"clone {name}", cloned, flag)
        must_fail(f"clone user and {name}", cloned, flag | KINDS["user"])
    for pid in (1, "self"):
        must_fail(f"setns {pid} {name}", lambda: call("setns", os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY), 0) or "joined")
must_fail("setns by pidfd", lambda: call("setns", call("pidfd_open", 1, 0), 0x20000) or "joined")
for name in ("uid_map", "gid_map", "setgroups", "projid_map"):
    must_fail(name, lambda: os.write(os.open(f"/proc/self/{name}", os.O_WRONLY), b"0 0 1"))
