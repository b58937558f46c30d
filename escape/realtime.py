"""Takes more of the processor than its share: real-time classes, better niceness, other processors."""
import os, resource, struct, ctypes
from attempt import *

for policy in (os.SCHED_FIFO, os.SCHED_RR):
    must_fail(f"policy {policy}", lambda: os.sched_setscheduler(0, policy, os.sched_param(1)) or "set")
deadline = ctypes.create_string_buffer(struct.pack("IIQiIQQQ", 48, 6, 0, 0, 0, 1 << 20, 1 << 24, 1 << 24))
must_fail("deadline class", lambda: libc.syscall(314, 0, deadline, 0) == 0 or None)
must_fail("nicer than others", lambda: os.nice(-1) < 0 or None)
must_fail("real-time input and output", lambda: libc.syscall(251, 1, 0, 1 << 13) == 0 or None)
must_be("no real-time limit", resource.getrlimit(14) == (0, 0), resource.getrlimit(14))
must_be("no nice limit", resource.getrlimit(13) == (0, 0), resource.getrlimit(13))
for kind in range(16):
    must_fail(f"limit {kind} raised", lambda: (lambda hard: hard != resource.RLIM_INFINITY and (resource.setrlimit(kind, (hard + 1, hard + 1)) or hard))(resource.getrlimit(kind)[1]))
