"""Opens every setting of the kernel for writing, and every other file under /proc, /sys and /dev that is not ours."""
import os
from attempt import *

HARMLESS = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/ptmx", "/dev/pts/ptmx", "/dev/shm", "/dev/std", "/dev/fd")
tried = 0
for top in ("/proc/sys", "/sys", "/dev", "/proc/fs", "/proc/irq", "/proc/bus", "/proc/tty", "/proc/driver", "/proc/acpi", "/proc/scsi", "/proc/dynamic_debug",
            "/proc/pressure", "/proc/net", "/proc/asound"):
    for directory, _, names in os.walk(top, followlinks=False):
        for path in (os.path.join(directory, name) for name in names):
            if path.startswith(HARMLESS):
                continue
            tried += 1
            try:
                opened(path, os.O_WRONLY)
                escaped.append(f"{path} opens for writing")
            except OSError:
                pass
must_be("there were settings to try", tried > 500, tried)
for name in os.listdir("/proc"):
    path = f"/proc/{name}"
    if not name.isdigit() and os.path.isfile(path):
        must_fail(path, opened, path, os.O_WRONLY)
for path, word in (("/proc/sys/kernel/core_pattern", b"|/bin/sh"), ("/proc/sysrq-trigger", b"c"), ("/proc/sys/kernel/modprobe", b"/tmp/x"),
                   ("/proc/sys/vm/drop_caches", b"3"), ("/proc/sys/kernel/hostname", b"owned"), ("/proc/sys/kernel/randomize_va_space", b"0"),
                   ("/sys/kernel/uevent_helper", b"/tmp/x"), ("/sys/fs/cgroup/memory/release_agent", b"/tmp/x"), ("/proc/sys/user/max_user_namespaces", b"9"),
                   ("/proc/self/oom_score_adj", b"-1000"), ("/proc/self/loginuid", b"0"), ("/proc/sys/fs/binfmt_misc/register", b":x:M::x::/tmp/x:C")):
    must_fail(path, lambda: os.write(os.open(path, os.O_WRONLY), word))
