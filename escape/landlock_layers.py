"""Takes Landlock to be the only wall where it is there, and looks that it is one."""
import os
from attempt import *

ENOSYS = 38
version = libc.syscall(444, None, 0, 1)
if version < 1:
    # This kernel has none; the mounts must hold alone, which the other attempts try.
    must_be("no Landlock, as the host says too", facts["landlock"] == "no", facts)
else:
    must_be("the host has it too", facts["landlock"] == "yes", facts)
    for path in ("/run/madang/tmp", "/run/madang/shm"):
        must_fail(f"truncate past {path}", lambda: os.truncate("/proc/cpuinfo", 0) or "cut")
    must_fail("refer across", lambda: os.link("/tmp/a", "/usr/a") or "linked")
must_fail("a file under /", lambda: os.close(os.open("/x", os.O_CREAT | os.O_WRONLY)) or "made")
