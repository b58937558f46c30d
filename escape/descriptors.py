"""What is left open by the driver that became this program: only 0, 1 and 2."""
import os
from attempt import *

seen = {}
for number in range(0, 4096):
    try:
        os.fstat(number)
        seen[number] = os.readlink(f"/proc/self/fd/{number}")
    except OSError:
        pass
must_be("0, 1 and 2 alone", set(seen) == {0, 1, 2}, seen)
must_be("none is a socket or a directory", not any(name.startswith(("socket:", "/")) and not name.startswith("/memfd:") for name in seen.values()), seen)
must_fail("a descriptor that is not numbered", lambda: [n for n in os.listdir("/proc/self/task") if n != str(os.getpid())] or None)
must_fail("write the standard input", lambda: os.write(0, b"x"))
