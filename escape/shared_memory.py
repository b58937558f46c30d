# madang-escape: ends=ok,memory-limit memory=67108864
"""System V memory, semaphores, queues; POSIX queues; memory files; all of it counts, or is refused."""
import ctypes, mmap, os
from attempt import *

MIB = 1 << 20


def segments():
    libc.shmat.restype = ctypes.c_void_p
    got = 0
    for key in range(64):
        segment = libc.shmget(key + 1, 4 * MIB, 0o1600)
        if segment < 0:
            break
        address = libc.shmat(segment, None, 0)
        ctypes.memset(address, 1, 4 * MIB)
        got += 4
    return f"{got} MiB" if got > 80 else None


def memory_files():
    got = 0
    for _ in range(64):
        descriptor = os.memfd_create("x")
        got += os.write(descriptor, b"x" * (4 * MIB)) // MIB
    return f"{got} MiB" if got > 80 else None


def semaphores():
    got = 0
    while got < 40_000 and libc.semget(0, 500, 0o1600) >= 0:
        got += 1
    return f"{got} sets" if got >= 40_000 else None


must_fail("System V memory over the limit", segments)
must_fail("memory files over the limit", memory_files)
must_fail("endless semaphores", semaphores)
must_fail("POSIX message queue", lambda: call("mq_open", ctypes.c_char_p(b"queue"), os.O_CREAT | os.O_RDWR, 0o600, None))
must_fail("huge pages", lambda: mmap.mmap(-1, 2 * MIB, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40000)[0] + 1)
must_fail("a memory file of huge pages", lambda: call("memfd_create", ctypes.c_char_p(b"x"), 4))
must_fail("locked memory", lambda: libc.mlockall(3) == 0 or None)
