"""Reads, traces, limits, reschedules and stops the init of the sandbox, which has powers that we have not."""
import ctypes, os
from attempt import *

ATTACH, SEIZE, PEEK = 16, 0x4206, 1
buffer = ctypes.create_string_buffer(64)


class Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


def vectors(address):
    mine = Vector(ctypes.cast(buffer, ctypes.c_void_p), 16)
    theirs = Vector(address, 16)
    return ctypes.byref(mine), ctypes.byref(theirs)


def vm(name, address):
    mine, theirs = vectors(address)
    return call(name, 1, mine, 1, theirs, 1, 0)


for request in (ATTACH, SEIZE, PEEK):
    must_fail(f"ptrace {request}", lambda: call("ptrace", request, 1, 0, 0) or "traced")
for address in (0x200000, 0x400000, 0x555555554000, 0x7ffff7ff0000):
    must_fail("process_vm_readv", vm, "process_vm_readv", address)
    must_fail("process_vm_writev", vm, "process_vm_writev", address)
for name in ("mem", "maps", "smaps", "pagemap", "environ", "auxv", "stack", "syscall", "io", "numa_maps", "clear_refs", "personality", "timers"):
    must_fail(f"/proc/1/{name}", lambda: read(f"/proc/1/{name}") or None)
for name in ("mem", "oom_score_adj", "oom_adj", "comm", "clear_refs", "coredump_filter", "loginuid", "sched", "autogroup"):
    must_fail(f"write /proc/1/{name}", opened, f"/proc/1/{name}", os.O_WRONLY)
# These open for anybody; writing is what is refused.
must_fail("slack of init", lambda: os.write(os.open("/proc/1/timerslack_ns", os.O_WRONLY), b"1000000000"))
must_fail("label of init", lambda: os.write(os.open("/proc/1/attr/current", os.O_WRONLY), b"x"))
for resource in range(16):
    limit = (ctypes.c_ulong * 2)(0, 0)
    must_fail(f"prlimit {resource}", lambda: call("prlimit64", 1, resource, limit, None) or "limited")
must_fail("setpriority", lambda: os.setpriority(os.PRIO_PROCESS, 1, 19) or "slowed")
must_fail("sched_setaffinity", lambda: os.sched_setaffinity(1, {0}) or "pinned")
must_fail("sched_setscheduler", lambda: os.sched_setscheduler(1, os.SCHED_IDLE, os.sched_param(0)) or "idle")
must_fail("ioprio", lambda: libc.syscall(251, 1, 1, 3 << 13) == 0 or None)
must_fail("pidfd_getfd", lambda: call("pidfd_getfd", call("pidfd_open", 1, 0), 3, 0))
must_fail("process_madvise", lambda: call("process_madvise", call("pidfd_open", 1, 0), vectors(0x400000)[1], 1, 21, 0))
must_fail("process_mrelease", lambda: call("process_mrelease", call("pidfd_open", 1, 0), 0) or "released")
must_fail("kcmp", lambda: call("kcmp", 1, os.getpid(), 0, 3, 3))
must_fail("migrate_pages", lambda: call("migrate_pages", 1, 1, ctypes.byref(ctypes.c_ulong(1)), ctypes.byref(ctypes.c_ulong(1))))
must_fail("move_pages", lambda: call("move_pages", 1, 0, None, None, None, 0) or "moved")
must_fail("setpgid", lambda: os.setpgid(1, 0) or "moved")
