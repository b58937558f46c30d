"""Writes to anything that is shown: interpreters, libraries, drivers, /etc. Every directory, and the files that matter most."""
import glob, os, sys
from attempt import *

tried = 0
for top in ("/usr", "/etc", "/opt", "/var", "/run", "/bin", "/lib", "/sbin", "/lib64", "/sys", "/proc/sys", "/dev"):
    for directory, below, _ in os.walk(top):
        if directory.startswith(("/run/madang/work", "/run/madang/tmp", "/run/madang/shm", "/dev/shm", "/dev/pts")):
            below.clear()
            continue
        tried += 1
        try:
            os.close(os.open(f"{directory}/.written-by-a-guest", os.O_CREAT | os.O_WRONLY))
            escaped.append(f"a file in {directory}")
        except OSError:
            pass
        if tried > 4000:
            break
must_be("there were directories to try", tried > 300, tried)
files = [sys.executable, os.path.realpath(sys.executable), "/bin/sh", "/usr/bin/env", "/etc/passwd", "/etc/ld.so.cache", "/etc/hosts", "/etc/resolv.conf",
         os.__file__, "/lib64/ld-linux-x86-64.so.2"] + glob.glob("/opt/madang/languages/*/*") + glob.glob("/usr/lib/x86_64-linux-gnu/libc.so*")
for path in files:
    must_fail(f"write {path}", opened, path, os.O_WRONLY)
    must_fail(f"truncate {path}", lambda: os.truncate(path, 0) or "cut")
    must_fail(f"remove {path}", lambda: os.unlink(path) or "gone")
    must_fail(f"chmod {path}", lambda: os.chmod(path, 0o777) or "changed")
    must_fail(f"chown {path}", lambda: os.chown(path, 1000, 1000) or "changed")
    must_fail(f"attribute of {path}", lambda: os.setxattr(path, "user.note", b"x") or "set")
    must_fail(f"touch {path}", lambda: os.utime(path, (0, 0)) or "touched")
for name in ("/", "/usr", "/etc", "/home", "/opt"):
    must_fail(f"rename {name}", lambda: os.rename(name, "/tmp/x") or "renamed")
    must_fail(f"make a directory in {name}", lambda: os.mkdir(f"{name}/x") or "made")
