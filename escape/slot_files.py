"""Looks at and changes what the sandbox keeps for itself: /run/madang, the files shown as /proc/meminfo, init's socket."""
import os
from attempt import *

must_fail("list /run/madang", lambda: os.listdir("/run/madang"))
for path in ("/run/madang/seen/meminfo", "/run/madang/seen/cpuinfo", "/run/madang/seen/online", "/run/madang/seen/cpuinfo.all", "/proc/meminfo", "/proc/cpuinfo",
             "/sys/devices/system/cpu/online"):
    must_fail(f"write {path}", opened, path, os.O_WRONLY)
    must_fail(f"append {path}", opened, path, os.O_WRONLY | os.O_APPEND)
    must_fail(f"truncate {path}", lambda: os.truncate(path, 0) or "cut")
    must_fail(f"remove {path}", lambda: os.unlink(path) or "gone")
for name in ("seen", "work", "tmp", "shm"):
    must_fail(f"rename {name}", lambda: os.rename(f"/run/madang/{name}", f"/run/madang/old-{name}") or "renamed")
    must_fail(f"a link for {name}", lambda: os.rmdir(f"/run/madang/{name}") or "gone")
must_fail("a file in /run/madang", lambda: os.close(os.open("/run/madang/x", os.O_CREAT | os.O_WRONLY)) or "made")
must_fail("a file in /run/madang/seen", lambda: os.close(os.open("/run/madang/seen/x", os.O_CREAT | os.O_WRONLY)) or "made")
must_fail("remove the work directory", lambda: os.rmdir("/home/work") or "gone")
must_fail("rename the work directory", lambda: os.rename("/home/work", "/home/other") or "renamed")
must_fail("/home/work through its other name", lambda: os.rename("/run/madang/work", "/run/madang/tmp/w") or "renamed")
must_fail("init's socket", lambda: [name for name in ("/init.sock", "/run/init.sock", "/run/madang/init.sock", "/home/init.sock") if os.path.exists(name)] or None)
